/**
 * Goals as the orchestrate server shows them, and waiting for them without polling: `wait_goal`
 * returns as soon as something happens, or after `timeout_s`.
 */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { sleep } from 'n8n-workflow';
import { AtosFailure } from './failure';
import { callTool } from './transport';

export type Complexity = 'simple' | 'medium' | 'complex';
export const COMPLEXITIES: Complexity[] = ['simple', 'medium', 'complex'];

export interface Goal extends IDataObject {
	id: string;
	state: string;
	tasks?: Array<{ id: string; complexity?: string; state?: string }>;
	seq?: number;
}

/** As in `atos_protocol/goals.py`; `tests/n8n/test_n8n_protocol.py` compares them. */
const FINAL_STATES = new Set(['success', 'failed', 'cancelled', 'needs_help', 'limit_reached']);

/** Longest single wait in seconds; well below the time-outs of MCP clients. */
const LONGEST_WAIT_S = 20;

/** Pause after an answer without events, in ms, so that a server that never blocks is not flooded. */
const PAUSE_MS = 500;

export function hasEnded(goal: Goal): boolean {
	return FINAL_STATES.has(goal.state);
}

/** The highest complexity of the tasks, which decides the pool; undefined before planning. */
export function complexityOf(tasks: Goal['tasks']): Complexity | undefined {
	const found = (tasks ?? []).map((task) => COMPLEXITIES.indexOf(task.complexity as Complexity));
	return COMPLEXITIES[Math.max(-1, ...found)];
}

export function asGoal(result: IDataObject): Goal {
	if (typeof result.id !== 'string' || typeof result.state !== 'string') {
		throw new AtosFailure('protocol', 'ATOS answered without the id and state of a goal');
	}
	return result as Goal;
}

/** Waits until `isEnough(goal)` or the goal has ended; gives up after `seconds`, with the goal as it is then. */
export async function waitForGoal(
	context: IExecuteFunctions,
	itemIndex: number,
	start: Goal,
	seconds: number,
	isEnough: (goal: Goal) => boolean = hasEnded,
): Promise<Goal> {
	const deadline = Date.now() + seconds * 1000;
	let goal = start;
	let seq = Number(start.seq ?? 0);
	while (!isEnough(goal) && !hasEnded(goal)) {
		const left = (deadline - Date.now()) / 1000;
		if (left <= 0) return goal;
		const news = await callTool(context, itemIndex, 'wait_goal', {
			goal_id: goal.id,
			after_seq: seq,
			timeout_s: Math.min(LONGEST_WAIT_S, Math.max(1, Math.ceil(left))),
			detail: 'events',
		});
		goal = asGoal(news.goal as IDataObject);
		const latest = Number(news.seq ?? seq);
		if (latest <= seq) await sleep(PAUSE_MS);
		seq = latest;
	}
	return goal;
}

/**
 * Goals as the orchestrate server shows them, and waiting for them without polling: `wait_goal`
 * returns as soon as something happens, or after `timeout_s`.
 */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { sleep } from 'n8n-workflow';
import { asFailure, AtosFailure } from './failure';
import { callTool, callToolAnyway } from './transport';

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

/** How long, in ms, a wait goes on while ATOS does not answer: it may be starting again. */
const RESTART_MS = 60_000;
const RETRY_MS = 1_000;
/** What a server says that is ending or starting; anything else is final. */
const PASSING = new Set(['unreachable', 'busy']);

/** Asks again while ATOS is away, for a minute; for calls that change nothing and follow an answer of ATOS. */
export async function patiently<T>(context: IExecuteFunctions, ask: () => Promise<T>): Promise<T> {
	const giveUp = Date.now() + RESTART_MS;
	for (;;) {
		try {
			return await ask();
		} catch (error) {
			const failure = asFailure(error);
			const stopped = context.getExecutionCancelSignal()?.aborted === true;
			if (stopped || !PASSING.has(failure.code) || Date.now() > giveUp) throw failure;
			await sleep(RETRY_MS);
		}
	}
}

/** Cancels goals whose execution was stopped or failed; never throws, as the first failure counts. */
export async function cancelGoals(context: IExecuteFunctions, ids: string[]): Promise<void> {
	for (const id of ids) {
		try {
			await callToolAnyway(context, 'cancel_goal', { goal_id: id });
		} catch (error) {
			context.logger?.warn(`ATOS goal ${id} was not cancelled: ${asFailure(error).message}`);
		}
	}
}

/** Waits until `isEnough(goal)` or the goal has ended; gives up after `seconds`, with the goal as it is then. */
export async function waitForGoal(
	context: IExecuteFunctions,
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
		const wanted = {
			goal_id: goal.id,
			after_seq: seq,
			timeout_s: Math.min(LONGEST_WAIT_S, Math.max(1, Math.ceil(left))),
			detail: 'events',
		};
		const news = await patiently(context, async () => await callTool(context, 'wait_goal', wanted));
		goal = asGoal(news.goal as IDataObject);
		const latest = Number(news.seq ?? seq);
		if (latest <= seq) await sleep(PAUSE_MS);
		seq = latest;
	}
	return goal;
}

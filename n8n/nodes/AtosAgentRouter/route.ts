/** What the ATOS Agent Router does with one item: classify it, or run it and wait where asked. */
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { asFailure, AtosFailure } from '../shared/failure';
import type { Delivered } from '../shared/files';
import { withFiles } from '../shared/files';
import type { Complexity, Goal } from '../shared/goals';
import { asGoal, COMPLEXITIES, complexityOf, hasEnded, waitForGoal } from '../shared/goals';
import { defaultKey } from '../shared/key';
import { callTool, callToolAnyway } from '../shared/transport';

/** How long, in seconds, a task may take to be classified when its output depends on it. */
const CLASSIFY_SECONDS = 60;
const PLAN_CALLS = 4;
const DEFAULT_WAIT_SECONDS = 300;

interface Finished extends Delivered {
	complexity?: Complexity;
}

/** A task that ATOS has taken; `deadline` is when waiting for it ends, in ms since the epoch. */
export interface Started {
	goal: Goal;
	pool: Complexity | 'auto';
	deadline: number;
	/** Whether a person gave it a key: its goal is theirs and outlives the execution. */
	keyed: boolean;
}

interface RunOptions {
	key?: string;
	waitSeconds?: number;
}

function taskOf(context: IExecuteFunctions, itemIndex: number): string {
	const task = String(context.getNodeParameter('task', itemIndex) ?? '').trim();
	if (task === '') throw new AtosFailure('bad_request', 'Task is empty', 'Say what has to be done.');
	return task;
}

/** A plan may take longer than one call; asking again joins the one that is being made. */
async function planOf(context: IExecuteFunctions, task: string): Promise<IDataObject> {
	for (let left = PLAN_CALLS - 1; ; left--) {
		try {
			return await callTool(context, 'plan_goal', { goal: task });
		} catch (error) {
			const failure = asFailure(error);
			if (failure.code !== 'deadline' || left === 0) throw failure;
		}
	}
}

/** Plans the task without starting it; its complexity is that of its hardest part. */
async function classify(context: IExecuteFunctions, itemIndex: number): Promise<Finished> {
	const task = taskOf(context, itemIndex);
	const answer = await planOf(context, task);
	const plan = answer.plan as { tasks?: Goal['tasks'] } | undefined;
	const complexity = complexityOf(plan?.tasks);
	return { json: { task, complexity, ...answer }, complexity };
}

/** Has a task that a goal handed to this workflow begin with a pool; twice the same answer is one. */
async function routeTicket(context: IExecuteFunctions, itemIndex: number): Promise<Finished> {
	const ticket = String(context.getNodeParameter('ticket', itemIndex) ?? '').trim();
	if (ticket === '') {
		const next = 'Pass the "ticket" that ATOS sent with the task.';
		throw new AtosFailure('bad_request', 'Ticket is empty', next);
	}
	const pool = context.getNodeParameter('pool', itemIndex) as Complexity | 'auto';
	const goal = asGoal(await callTool(context, 'run_task', { task: 'routed', pool, ticket }));
	const complexity = pool === 'auto' ? undefined : pool;
	return { json: { ...goal, pool, complexity, ended: hasEnded(goal) }, complexity };
}

/** Starts the task of one item and returns at once. */
export async function startTask(context: IExecuteFunctions, itemIndex: number): Promise<Started> {
	const task = taskOf(context, itemIndex);
	const pool = context.getNodeParameter('pool', itemIndex) as Started['pool'];
	const options = context.getNodeParameter('options', itemIndex, {}) as RunOptions;
	const key = options.key || defaultKey(context, itemIndex);
	// Not given up by a stop: a goal whose id is not known could not be cancelled.
	const goal = asGoal(await callToolAnyway(context, 'run_task', { task, pool, key }));
	const seconds = options.waitSeconds ?? DEFAULT_WAIT_SECONDS;
	return { goal, pool, deadline: Date.now() + seconds * 1000, keyed: Boolean(options.key) };
}

/** Waits for the result where asked, or for the complexity where the output depends on it. */
async function finishTask(
	context: IExecuteFunctions,
	itemIndex: number,
	{ goal: begun, pool, deadline }: Started,
	mustClassify: boolean,
): Promise<Finished> {
	const known = (goal: Goal) => (pool === 'auto' ? complexityOf(goal.tasks) : pool);
	let goal = begun;
	if (context.getNodeParameter('wait', itemIndex)) {
		goal = await waitForGoal(context, goal, (deadline - Date.now()) / 1000);
	} else if (mustClassify) {
		const classified = (seen: Goal) => known(seen) !== undefined;
		goal = await waitForGoal(context, goal, CLASSIFY_SECONDS, classified);
	}
	const complexity = known(goal);
	const shown = { ...goal, complexity, ended: hasEnded(goal) };
	const waited = context.getNodeParameter('wait', itemIndex) as boolean;
	const delivered = waited ? await withFiles(context, goal, shown) : { json: shown };
	return { ...delivered, complexity };
}

/** The output by which an item leaves. */
function outputOf(finished: Finished, perComplexity: boolean): number {
	if (!perComplexity) return 0;
	if (finished.complexity === undefined) {
		const next = 'Choose a pool, or use one output.';
		const message = `The task was not classified; its goal is ${String(finished.json.state)}`;
		throw new AtosFailure('deadline', message, next);
	}
	return COMPLEXITIES.indexOf(finished.complexity);
}

/** What is done with an item whose task is not started here. */
async function unstarted(context: IExecuteFunctions, itemIndex: number): Promise<Finished> {
	const routes = context.getNodeParameter('operation', itemIndex) === 'routeTask';
	return routes ? await routeTicket(context, itemIndex) : await classify(context, itemIndex);
}

/** What leaves for one item, and by which output; an item whose task was not started is classified. */
export async function route(
	context: IExecuteFunctions,
	itemIndex: number,
	started: Started | AtosFailure | undefined,
	perComplexity: boolean,
): Promise<Delivered & { output: number }> {
	if (started instanceof AtosFailure) throw started;
	const finished = started
		? await finishTask(context, itemIndex, started, perComplexity)
		: await unstarted(context, itemIndex);
	const { json, binary } = finished;
	return { json, binary, output: outputOf(finished, perComplexity) };
}

/** The goals that end with this execution: all that it started without a person's key. */
export function ownGoals(started: Array<Started | AtosFailure | undefined>): string[] {
	return started.flatMap((each) =>
		each === undefined || each instanceof AtosFailure || each.keyed ? [] : [each.goal.id],
	);
}

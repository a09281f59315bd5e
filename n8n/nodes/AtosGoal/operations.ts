/** What the ATOS Goal node does with one item. */
import { randomBytes } from 'node:crypto';
import type { IDataObject, IExecuteFunctions } from 'n8n-workflow';
import { AtosFailure } from '../shared/failure';
import type { Delivered } from '../shared/files';
import { withFiles } from '../shared/files';
import type { Goal } from '../shared/goals';
import { asGoal, hasEnded, waitForGoal } from '../shared/goals';
import { defaultKey } from '../shared/key';
import { callRoute, callTool, callToolAnyway } from '../shared/transport';

const DEFAULT_WAIT_SECONDS = 300;

/** What a waiting execution is called back for: a goal that asks goes on only when it is answered. */
const ENDS = ['goal.ended', 'goal.asked'];
const SECRET_BYTES = 32;

interface Options extends IDataObject {
	callbackUrl?: string;
	key?: string;
	waitSeconds?: number;
	examples?: string;
	priority?: string;
}

type Operation = (context: IExecuteFunctions, item: number, begun: string[]) => Promise<Delivered[]>;

function text(context: IExecuteFunctions, item: number, name: string, wanted: string): string {
	const value = String(context.getNodeParameter(name, item, '') ?? '').trim();
	if (value === '') throw new AtosFailure('bad_request', `${wanted} is empty`, `Set ${wanted}.`);
	return value;
}

const goalId = (context: IExecuteFunctions, item: number) => text(context, item, 'goalId', 'Goal ID');

function optionsOf(context: IExecuteFunctions, item: number): Options {
	return context.getNodeParameter('options', item, {}) as Options;
}

async function get(context: IExecuteFunctions, id: string): Promise<Goal> {
	return asGoal(await callTool(context, 'get_goal', { goal_id: id }));
}

/** The goal with its files where it has ended; `ended` tells a workflow whether to come back. */
async function shown(context: IExecuteFunctions, goal: Goal): Promise<Delivered[]> {
	return [await withFiles(context, goal, { ...goal, ended: hasEnded(goal) })];
}

async function waited(context: IExecuteFunctions, item: number, goal: Goal): Promise<Delivered[]> {
	const seconds = optionsOf(context, item).waitSeconds ?? DEFAULT_WAIT_SECONDS;
	return await shown(context, await waitForGoal(context, goal, seconds));
}

/** Examples as a person writes them into a text field: one a line. */
function linesOf(value: string | undefined): string[] {
	return (value ?? '')
		.split('\n')
		.map((line) => line.trim())
		.filter((line) => line !== '');
}

const start: Operation = async (context, item, begun) => {
	const options = optionsOf(context, item);
	// Not given up by a stop: a goal whose id is not known could not be cancelled.
	const started = await callToolAnyway(context, 'start_goal', {
		goal: text(context, item, 'goal', 'Goal'),
		examples: linesOf(options.examples),
		priority: options.priority ?? 'normal',
		key: options.key || defaultKey(context, item),
	});
	const goal = asGoal(started);
	if (!options.key) begun.push(goal.id);
	if (options.callbackUrl) await callBack(context, goal, options.callbackUrl);
	return context.getNodeParameter('wait', item, true)
		? await waited(context, item, goal)
		: await shown(context, goal);
};

/** Has ATOS post the goal's end to an address, once; n8n's own wait proves itself by that address. */
async function callBack(context: IExecuteFunctions, goal: Goal, url: string): Promise<void> {
	const secret = randomBytes(SECRET_BYTES).toString('hex');
	await callRoute(context, 'POST', '/callbacks', { url, events: ENDS, secret, goal_id: goal.id });
}

const answer: Operation = async (context, item) => {
	const id = goalId(context, item);
	const given = text(context, item, 'answer', 'Answer');
	const named = String(context.getNodeParameter('taskId', item, '') ?? '').trim();
	const task_id = named || asking(await get(context, id));
	const goal = await callTool(context, 'answer_question', { goal_id: id, task_id, answer: given });
	return await waited(context, item, asGoal(goal));
};

/** The task that asks; without one there is nothing to answer. */
function asking(goal: Goal): string {
	const tasks = (goal.tasks ?? []) as Array<{ id: string; question?: { text?: string } }>;
	const found = tasks.find((task) => task.question?.text);
	if (found) return found.id;
	const next = 'Set Task ID to give a task one more example.';
	throw new AtosFailure('conflict', `Goal ${goal.id} is ${goal.state} and asks nothing`, next);
}

export const OPERATIONS: Record<string, Operation> = {
	start,
	answer,
	wait: async (context, item) =>
		await waited(context, item, await get(context, goalId(context, item))),
	get: async (context, item) => await shown(context, await get(context, goalId(context, item))),
	list: async (context, item) => {
		const limit = context.getNodeParameter('limit', item, 20) as number;
		const { goals } = await callTool(context, 'list_goals', { limit });
		return (goals as Goal[]).map((goal) => ({ json: { ...goal, ended: hasEnded(goal) } }));
	},
	cancel: async (context, item) => {
		const goal = await callTool(context, 'cancel_goal', { goal_id: goalId(context, item) });
		return [{ json: { ...goal, ended: true } }];
	},
	retry: async (context, item) => {
		const goal = await callTool(context, 'retry_goal', { goal_id: goalId(context, item) });
		return await waited(context, item, asGoal(goal));
	},
};

export async function operate(
	context: IExecuteFunctions,
	item: number,
	begun: string[],
): Promise<Delivered[]> {
	const operation = context.getNodeParameter('operation', item) as string;
	return await OPERATIONS[operation](context, item, begun);
}

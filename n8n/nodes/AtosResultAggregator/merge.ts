/**
 * Merges the files of several goals into one tree. Pure.
 *
 * The same file from several goals is one file. Where goals contradict each other nobody can tell who is right: every
 * version is kept, below the id of its goal, and the conflict is named.
 */
import type { IDataObject } from 'n8n-workflow';
import type { DeliveredFile } from '../shared/files';

export interface GoalFiles {
	id: string;
	files: DeliveredFile[];
}

export interface Conflict extends IDataObject {
	path: string;
	goals: string[];
}

export interface Merged {
	files: DeliveredFile[];
	conflicts: Conflict[];
}

/** Files that every goal has of its own, which are no contradiction: they go below the goal's id silently. */
const OWN = new Set(['README.md', 'pyproject.toml', 'conftest.py', '.gitignore']);

function contentOf(file: DeliveredFile): string {
	return file.base64 === undefined ? `text ${file.text ?? ''}` : `base64 ${file.base64}`;
}

export function mergeFiles(goals: GoalFiles[]): Merged {
	const byPath = new Map<string, Array<{ id: string; file: DeliveredFile }>>();
	for (const { id, files } of goals) {
		for (const file of files) {
			byPath.set(file.path, [...(byPath.get(file.path) ?? []), { id, file }]);
		}
	}
	const merged: Merged = { files: [], conflicts: [] };
	for (const [path, versions] of [...byPath].sort(([a], [b]) => (a < b ? -1 : 1))) {
		if (new Set(versions.map(({ file }) => contentOf(file))).size === 1) {
			merged.files.push(versions[0].file);
			continue;
		}
		for (const { id, file } of versions) merged.files.push({ ...file, path: `${id}/${path}` });
		const ids = versions.map(({ id }) => id);
		if (!OWN.has(path)) merged.conflicts.push({ path, goals: ids });
	}
	return merged;
}

export function bytesOf(file: DeliveredFile): Buffer {
	return file.base64 === undefined
		? Buffer.from(file.text ?? '', 'utf8')
		: Buffer.from(file.base64, 'base64');
}

/** One sentence about all of it, for a mail or a message. */
export function summaryOf(result: IDataObject, conflicts: Conflict[]): string {
	const parts = [
		`${Number(result.done)} goals done`,
		...(Number(result.failed) ? [`${Number(result.failed)} failed`] : []),
		...(Number(result.pending) ? [`${Number(result.pending)} still at work`] : []),
		`${Number(result.passed_tests)} tests passed, ${Number(result.failed_tests)} failed`,
		...(conflicts.length ? [`in conflict: ${conflicts.map(({ path }) => path).join(', ')}`] : []),
	];
	return `${parts.join('; ')}.`;
}

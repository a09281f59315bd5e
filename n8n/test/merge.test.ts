/** Merging the files of several goals, and the zip they go into. */
/* eslint-disable @n8n/community-nodes/no-restricted-imports, @n8n/community-nodes/no-dangerous-functions -- a test, never shipped */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bytesOf, mergeFiles, summaryOf } from '../nodes/AtosResultAggregator/merge';
import { zipOf } from '../nodes/shared/zip';

const text = (path: string, content: string) => ({ path, bytes: content.length, text: content });

it('keeps one copy of what is the same, and every version of what is not', () => {
	const merged = mergeFiles([
		{ id: 'g1', files: [text('add.py', 'one'), text('same.py', 's'), text('README.md', 'a')] },
		{ id: 'g2', files: [text('add.py', 'two'), text('same.py', 's'), text('README.md', 'b')] },
	]);
	expect(merged.files.map(({ path }) => path)).toEqual([
		'g1/README.md',
		'g2/README.md',
		'g1/add.py',
		'g2/add.py',
		'same.py',
	]);
	expect(merged.conflicts).toEqual([{ path: 'add.py', goals: ['g1', 'g2'] }]);
	const counts = { done: 2, failed: 0, pending: 0, passed_tests: 8, failed_tests: 0 };
	expect(summaryOf(counts, merged.conflicts)).toBe(
		'2 goals done; 8 tests passed, 0 failed; in conflict: add.py.',
	);
});

it('makes a zip that others can read, the same each time', () => {
	const files = [text('a/add.py', 'x = 1\n'), { path: 'ü.bin', bytes: 2, base64: '/wA=' }];
	const entries = files.map((file) => ({ path: file.path, data: bytesOf(file) }));
	const zip = zipOf(entries);
	const file = join(mkdtempSync(join(tmpdir(), 'zip')), 'files.zip');
	writeFileSync(file, zip);
	const read =
		'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None;' +
		' print([(n, z.read(n)) for n in z.namelist()])';
	const seen = execFileSync('python3', ['-c', read, file], { encoding: 'utf8' });
	expect(seen.trim()).toBe("[('a/add.py', b'x = 1\\n'), ('ü.bin', b'\\xff\\x00')]");
	expect(zipOf(entries)).toEqual(zip);
});

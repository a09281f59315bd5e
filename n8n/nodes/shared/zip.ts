/**
 * A zip without compression: for files that are text and few, so that the package needs no dependency.
 *
 * Names are UTF-8, times are constant: the same files make the same bytes.
 */

export interface Entry {
	path: string;
	data: Buffer;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
	let value = n;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
	return value >>> 0;
});

function crc32(data: Buffer): number {
	let value = 0xffffffff;
	for (const byte of data) value = TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
	return (value ^ 0xffffffff) >>> 0;
}

const VERSION = 20;
const UTF8 = 0x0800;
/** 1 January 1980, the first day that a zip knows. */
const DAY = 0x21;
const PLAIN_FILE = 0o100644 * 0x10000;
const MADE_ON_UNIX = 3 << 8;

/** What stands both before a file and in the directory at the end. */
function facts(name: Buffer, data: Buffer): Buffer {
	const facts = Buffer.alloc(26);
	facts.writeUInt16LE(VERSION, 0);
	facts.writeUInt16LE(UTF8, 2);
	facts.writeUInt16LE(DAY, 8);
	facts.writeUInt32LE(crc32(data), 10);
	facts.writeUInt32LE(data.length, 14);
	facts.writeUInt32LE(data.length, 18);
	facts.writeUInt16LE(name.length, 22);
	return facts;
}

function signature(value: number, length = 4): Buffer {
	const bytes = Buffer.alloc(length);
	bytes.writeUInt32LE(value, 0);
	return bytes;
}

function directoryEntry(name: Buffer, data: Buffer, at: number): Buffer {
	const head = signature(0x02014b50, 6);
	head.writeUInt16LE(MADE_ON_UNIX | VERSION, 4);
	const tail = Buffer.alloc(14);
	tail.writeUInt32LE(PLAIN_FILE, 6);
	tail.writeUInt32LE(at, 10);
	return Buffer.concat([head, facts(name, data), tail, name]);
}

/** The files as one zip. */
export function zipOf(entries: Entry[]): Buffer {
	const parts: Buffer[] = [];
	const directory: Buffer[] = [];
	let at = 0;
	for (const { path, data } of entries) {
		const name = Buffer.from(path, 'utf8');
		directory.push(directoryEntry(name, data, at));
		const file = Buffer.concat([signature(0x04034b50), facts(name, data), name, data]);
		parts.push(file);
		at += file.length;
	}
	const listing = Buffer.concat(directory);
	const end = signature(0x06054b50, 22);
	end.writeUInt16LE(entries.length, 8);
	end.writeUInt16LE(entries.length, 10);
	end.writeUInt32LE(listing.length, 12);
	end.writeUInt32LE(at, 16);
	return Buffer.concat([...parts, listing, end]);
}

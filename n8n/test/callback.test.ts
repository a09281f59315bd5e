/** Callbacks: only ATOS's, only of now, and each once, however often and in which order they come. */
import type { IDataObject } from 'n8n-workflow';
import { expect, it } from 'vitest';
import { accept, isSigned, signature } from '../nodes/AtosTrigger/callback';
import contract from './contract.json';

const { secret, seconds, body, signature: written } = contract.callback;
const raw = Buffer.from(body);

it('has the signature that the servers write', () => {
	expect(signature(secret, seconds, raw)).toBe(written);
	expect(isSigned(secret, { 'x-atos-signature': written }, raw, seconds + 10)).toBe(true);
});

it.each([
	['no signature', {}, body, seconds, secret],
	['another body', { 'x-atos-signature': written }, `${body} `, seconds, secret],
	['an old one', { 'x-atos-signature': written }, body, seconds + 301, secret],
	['another secret', { 'x-atos-signature': written }, body, seconds, 'other'],
	['no secret at all', { 'x-atos-signature': written }, body, seconds, ''],
	['nonsense', { 'x-atos-signature': 't=now,v1=' }, body, seconds, secret],
] as Array<[string, IDataObject, string, number, string]>)(
	'is refused with %s',
	(_what, headers, text, now, key) => {
		expect(isSigned(key, headers, Buffer.from(text), now)).toBe(false);
	},
);

it('is taken once of a hundred that come twice and in any order', () => {
	const kept: IDataObject = { subscription: 'ordered' };
	const ids = Array.from({ length: 100 }, (_, n) => `c${n}`);
	const taken = [...ids].reverse().concat(ids).filter((id) => accept(kept, id));
	expect(taken).toEqual([...ids].reverse());
});

it('is taken once of two that arrive at once, as n8n reads what is kept before either is written', () => {
	const [one, other]: IDataObject[] = [1, 2].map(() => ({ subscription: 'at once', seen: ['old'] }));
	expect([accept(one, 'c1'), accept(other, 'c1')]).toEqual([true, false]);
	expect([accept(other, 'c2'), accept(one, 'old')]).toEqual([true, false]);
	expect(other.seen).toEqual(['old', 'c1', 'c2']);
});

it('is taken once also after n8n was started anew', () => {
	expect(accept({ subscription: 'anew', seen: ['c1'] }, 'c1')).toBe(false);
});

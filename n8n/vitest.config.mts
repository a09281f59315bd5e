import { defineConfig } from 'vitest/config';

export default defineConfig({
	// n8n-workflow ships source maps without their sources: one warning per file.
	logLevel: 'error',
	test: { include: ['test/*.test.ts'] },
});

/**
 * An execution context for tests: parameters and items from the test, the HTTP request over a real
 * socket, with the options of n8n's request helper that the nodes use.
 */
import type {
	IDataObject,
	IExecuteFunctions,
	IHttpRequestOptions,
	INode,
	INodeExecutionData,
} from 'n8n-workflow';

export interface Setup {
	baseUrl: string;
	token?: string;
	/** Per item, or for all items when it is no array. */
	parameters: IDataObject | IDataObject[];
	items?: INodeExecutionData[];
	goesOn?: boolean;
	runIndex?: number;
	kept?: IDataObject;
	cancel?: AbortSignal;
}

async function request(token: string, options: IHttpRequestOptions) {
	const response = await fetch(options.url, {
		method: options.method,
		headers: { ...(options.headers as Record<string, string>), authorization: `Bearer ${token}` },
		body: options.body === undefined ? undefined : JSON.stringify(options.body),
		redirect: options.disableFollowRedirect ? 'manual' : 'follow',
		signal: options.abortSignal as AbortSignal | undefined,
	});
	if (!response.ok && !options.ignoreHttpStatusErrors) throw new Error(`HTTP ${response.status}`);
	return { statusCode: response.status, body: await response.text() };
}

export function contextOf(setup: Setup): IExecuteFunctions {
	const { parameters } = setup;
	const of = (item: number) => (Array.isArray(parameters) ? parameters[item] : parameters);
	const kept = setup.kept ?? {};
	const context = {
		getInputData: () => setup.items ?? [{ json: {} }],
		getNode: () => ({ name: 'ATOS', type: 'n8n-nodes-atos.x', typeVersion: 1 }) as INode,
		getNodeParameter: (name: string, item: number, fallback?: unknown) => of(item)[name] ?? fallback,
		getCredentials: async () => ({ baseUrl: setup.baseUrl, token: setup.token ?? 'right' }),
		getContext: () => kept,
		getWorkflowDataProxy: () => ({ $runIndex: setup.runIndex ?? 0 }),
		getExecutionCancelSignal: () => setup.cancel,
		continueOnFail: () => setup.goesOn ?? false,
		logger: { warn: () => undefined },
		helpers: {
			prepareBinaryData: async (data: Buffer, fileName: string, mimeType: string) => ({
				data: data.toString('base64'),
				fileName,
				mimeType,
			}),
			// As n8n does: the signal is that of the context that calls, whatever the request says.
			async httpRequestWithAuthentication(
				this: IExecuteFunctions,
				_type: string,
				options: IHttpRequestOptions,
			) {
				const abortSignal = this.getExecutionCancelSignal();
				return await request(setup.token ?? 'right', { ...options, abortSignal });
			},
		},
	};
	return context as unknown as IExecuteFunctions;
}

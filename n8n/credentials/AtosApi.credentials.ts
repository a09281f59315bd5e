/**
 * Where the ATOS servers listen and the token that opens them.
 *
 * The servers write a fresh token to `~/.atos/run/token`; every route asks for it, `/healthz` too,
 * so the test button proves both the address and the token.
 */
import type {
	IAuthenticateGeneric,
	Icon,
	ICredentialTestRequest,
	ICredentialType,
	INodeProperties,
} from 'n8n-workflow';

export class AtosApi implements ICredentialType {
	name = 'atosApi';

	displayName = 'ATOS API';

	documentationUrl = 'https://www.npmjs.com/package/n8n-nodes-atos';

	icon: Icon = { light: 'file:../icons/atos.svg', dark: 'file:../icons/atos.dark.svg' };

	properties: INodeProperties[] = [
		{
			displayName: 'Base URL',
			name: 'baseUrl',
			type: 'string',
			default: 'http://127.0.0.1:8756',
			description: 'Where the ATOS servers listen, without a path',
		},
		{
			displayName: 'Token',
			name: 'token',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			required: true,
			description: 'What "atos-client token add n8n" shows once',
		},
	];

	authenticate: IAuthenticateGeneric = {
		type: 'generic',
		properties: { headers: { Authorization: '=Bearer {{$credentials.token}}' } },
	};

	test: ICredentialTestRequest = {
		request: { baseURL: '={{$credentials.baseUrl}}', url: '/healthz' },
	};
}

import { Secrets, ServiceAccounts } from '../api/generated/resources.js';
import type { Secret, ServiceAccount } from '../api/generated/types.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { Reconciler } from './reconciler.js';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

/** `['account', namespace, name, uid]` or `['secret', namespace, name, uid, account name, account uid]`, as JSON. */
type Key = readonly ['account' | 'secret', string, string, string, string?, string?];

const encode = (text: string): string => Buffer.from(text).toString('base64');

function accountOf({ metadata }: Secret): { readonly name: string; readonly uid: string } {
  return { name: metadata.annotations?.[nameAnnotation] ?? '', uid: metadata.annotations?.[uidAnnotation] ?? '' };
}

/**
 * Fills Secrets of type `kubernetes.io/service-account-token` with a token of their account, and deletes those whose account has
 * gone. Source: pkg/controller/serviceaccount tokens_controller.
 */
class ServiceAccountTokenController extends Reconciler {
  readonly #secrets: Informer<Secret>;
  readonly #accounts: Informer<ServiceAccount>;

  constructor(context: ControllerContext) {
    super(context, { name: 'serviceaccount-token-controller', maximumRetries: 10 });
    this.#secrets = context.informers.informer(Secrets, { fieldSelector: `type=${tokenType}` });
    this.#accounts = context.informers.informer(ServiceAccounts);
  }

  protected override register(): void {
    const secret = ({ namespace, name, uid, object }: ObjectEntry<Secret>): void => {
      const account = accountOf(object);
      this.#add(['secret', namespace, name, uid, account.name, account.uid]);
    };
    const account = ({ namespace, name, uid }: ObjectEntry<ServiceAccount>): void => this.#add(['account', namespace, name, uid]);
    this.watch(this.#secrets, { added: secret, updated: (_previous, entry) => secret(entry), deleted: secret });
    this.watch(this.#accounts, {
      updated: (previous, entry) => {
        if (previous.uid !== entry.uid) account(previous);
      },
      deleted: account,
    });
  }

  #add(key: Key): void {
    this.queue.add(JSON.stringify(key));
  }

  protected override async sync(text: string): Promise<void> {
    const [kind, namespace, name, uid, accountName = '', accountUid = ''] = JSON.parse(text) as Key;
    if (kind === 'account') return this.#accountGone(namespace, name, uid);
    const secret = this.#secrets.get(namespace, name);
    if (secret?.metadata.uid !== uid) return this.#removeReference(namespace, accountName, accountUid, name);
    // The secret may be known before its account is: the server decides.
    const account = await this.#account(namespace, accountName, accountUid);
    if (account) await this.#fill(secret, account);
    else await this.#delete(namespace, name, uid);
  }

  async #accountGone(namespace: string, name: string, uid: string): Promise<void> {
    if (this.#accounts.entry(namespace, name)?.uid === uid) return;
    for (const secret of this.#secrets.list(namespace)) {
      const account = accountOf(secret);
      // Without a uid yet it may be meant for an account of that name which is still to come: its own key decides.
      if (account.name === name && account.uid === uid) await this.#delete(namespace, secret.metadata.name, secret.metadata.uid!);
    }
  }

  async #account(namespace: string, name: string, uid: string): Promise<ServiceAccount | undefined> {
    const isMeant = (account: ServiceAccount | undefined): boolean =>
      account !== undefined && (!uid || account.metadata.uid === uid);
    const known = this.#accounts.get(namespace, name);
    if (isMeant(known)) return known;
    try {
      const fresh = await this.context.client.resource(ServiceAccounts, namespace).get(name);
      return isMeant(fresh) ? fresh : undefined;
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  async #fill(secret: Secret, account: ServiceAccount): Promise<void> {
    const { authority } = this.context.environment;
    const { namespace = '', name } = secret.metadata;
    const data: Record<string, string> = { ...secret.data, 'ca.crt': encode(authority.serverCaPem) };
    data['namespace'] ||= encode(namespace);
    const isFilled =
      data['token'] && data['ca.crt'] === secret.data?.['ca.crt'] && data['namespace'] === secret.data?.['namespace'];
    if (isFilled) return;
    data['token'] ||= encode(await authority.serviceAccountToken(account, name));
    const annotations = {
      ...secret.metadata.annotations,
      [nameAnnotation]: account.metadata.name!,
      [uidAnnotation]: account.metadata.uid!,
    };
    try {
      await this.context.client.resource(Secrets, namespace).update(
        name,
        produce(secret, draft => {
          draft.data = data;
          draft.metadata.annotations = annotations;
        }),
      );
    } catch (error) {
      // Changed or deleted meanwhile: that change brings its own key.
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  async #delete(namespace: string, name: string, uid: string): Promise<void> {
    try {
      await this.context.client.resource(Secrets, namespace).delete(name, { preconditions: { uid } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** An account that listed the secret, as old clients make it, lists it no more. */
  async #removeReference(namespace: string, name: string, uid: string, secretName: string): Promise<void> {
    const account = this.#accounts.get(namespace, name);
    if (!account || (uid && account.metadata.uid !== uid)) return;
    if (!account.secrets?.some(reference => reference.name === secretName)) return;
    try {
      await this.context.client.resource(ServiceAccounts, namespace).update(
        name,
        produce(account, draft => {
          const rest = draft.secrets!.filter(reference => reference.name !== secretName);
          if (rest.length > 0) draft.secrets = rest;
          else delete draft.secrets;
        }),
      );
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

export const serviceAccountTokenController: ControllerDescriptor = {
  name: 'serviceaccount-token-controller',
  asManager: true,
  create: context => new ServiceAccountTokenController(context),
};

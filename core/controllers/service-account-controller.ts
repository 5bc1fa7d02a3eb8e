import { Namespaces, ServiceAccounts } from '../api/generated/resources.js';
import type { ServiceAccount } from '../api/generated/types.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';

const defaultName = 'default';

/** Gives every active namespace its service account `default`. Source: pkg/controller/serviceaccount. */
class ServiceAccountController extends Reconciler {
  constructor(context: ControllerContext) {
    super(context, { name: 'serviceaccount-controller', workers: 1 });
  }

  protected override register(): void {
    const { informers } = this.context;
    this.watch(informers.informer(Namespaces), {
      added: entry => this.queue.add(entry.name),
      updated: (_previous, entry) => this.queue.add(entry.name),
    });
    this.watch(informers.informer(ServiceAccounts), { deleted: entry => this.queue.add(entry.namespace) });
  }

  protected override async sync(namespace: string): Promise<void> {
    const { informers, client } = this.context;
    if (informers.informer(Namespaces).get('', namespace)?.status?.phase !== 'Active') return;
    if (informers.informer(ServiceAccounts).entry(namespace, defaultName)) return;
    try {
      await client.resource(ServiceAccounts, namespace).create({ metadata: { name: defaultName } } as ServiceAccount);
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error;
    }
  }
}

export const serviceAccountController: ControllerDescriptor = {
  name: 'serviceaccount-controller',
  serviceAccount: 'service-account-controller',
  create: context => new ServiceAccountController(context),
};

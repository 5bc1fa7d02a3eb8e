import { after, before, describe, it } from 'node:test';
import { containerRuntimeSuite } from 'k3s-ts/testing';
import { TemplateContainerRuntime } from './template-container-runtime.js';

/** Every promise of the contract. A runtime whose containers outlive k3s also gives `restart`. */
void describe('template-container-runtime', () => {
  const runtime = new TemplateContainerRuntime();
  before(async () => {
    await runtime.setPodCidrs(['10.42.0.0/24']);
    await runtime.pullImage('k3s.local/box:1');
  });
  after(() => runtime.stop());

  containerRuntimeSuite({ describe, it }, () => ({
    runtime,
    image: 'k3s.local/box:1',
    otherImage: 'k3s.local/other:1',
    logDirectory: '/nowhere',
    cgroupRoot: '',
  }));
});

/** generatedBy scripts/runtime/wire-tables.mjs from the module kubelet@v0.36.3. Do not edit. */
import type { MethodTable, WireTable } from '../../../machinery/codec/wire-codec.js';

export const tables: WireTable = {
  'k8s.io.kubelet.pkg.apis.dra.v1.Claim': [
    { name: 'namespace', type: 'string', number: 1 },
    { name: 'uid', type: 'string', number: 2 },
    { name: 'name', type: 'string', number: 3 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.Device': [
    { name: 'requestNames', type: '[]string', number: 1 },
    { name: 'poolName', type: 'string', number: 2 },
    { name: 'deviceName', type: 'string', number: 3 },
    { name: 'cdiDeviceIds', type: '[]string', number: 4 },
    { name: 'shareId', type: 'string', number: 5 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourceResponse': [
    { name: 'devices', type: '[]k8s.io.kubelet.pkg.apis.dra.v1.Device', number: 1 },
    { name: 'error', type: 'string', number: 2 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourcesRequest': [
    { name: 'claims', type: '[]k8s.io.kubelet.pkg.apis.dra.v1.Claim', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourcesResponse': [
    { name: 'claims', type: 'map[string]k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourceResponse', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourceResponse': [{ name: 'error', type: 'string', number: 1 }],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourcesRequest': [
    { name: 'claims', type: '[]k8s.io.kubelet.pkg.apis.dra.v1.Claim', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourcesResponse': [
    { name: 'claims', type: 'map[string]k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourceResponse', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.Claim': [
    { name: 'namespace', type: 'string', number: 1 },
    { name: 'uid', type: 'string', number: 2 },
    { name: 'name', type: 'string', number: 3 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.Device': [
    { name: 'requestNames', type: '[]string', number: 1 },
    { name: 'poolName', type: 'string', number: 2 },
    { name: 'deviceName', type: 'string', number: 3 },
    { name: 'cdiDeviceIds', type: '[]string', number: 4 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourceResponse': [
    { name: 'devices', type: '[]k8s.io.kubelet.pkg.apis.dra.v1beta1.Device', number: 1 },
    { name: 'error', type: 'string', number: 2 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourcesRequest': [
    { name: 'claims', type: '[]k8s.io.kubelet.pkg.apis.dra.v1beta1.Claim', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourcesResponse': [
    { name: 'claims', type: 'map[string]k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourceResponse', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourceResponse': [{ name: 'error', type: 'string', number: 1 }],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourcesRequest': [
    { name: 'claims', type: '[]k8s.io.kubelet.pkg.apis.dra.v1beta1.Claim', number: 1 },
  ],
  'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourcesResponse': [
    { name: 'claims', type: 'map[string]k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourceResponse', number: 1 },
  ],
  'pluginregistration.InfoRequest': [],
  'pluginregistration.PluginInfo': [
    { name: 'type', type: 'string', number: 1 },
    { name: 'name', type: 'string', number: 2 },
    { name: 'endpoint', type: 'string', number: 3 },
    { name: 'supportedVersions', type: '[]string', number: 4 },
  ],
  'pluginregistration.RegistrationStatus': [
    { name: 'pluginRegistered', type: 'bool', number: 1 },
    { name: 'error', type: 'string', number: 2 },
  ],
  'pluginregistration.RegistrationStatusResponse': [],
  'v1.AllocatableResourcesRequest': [],
  'v1.AllocatableResourcesResponse': [
    { name: 'devices', type: '[]v1.ContainerDevices', number: 1 },
    { name: 'cpuIds', type: '[]int64', number: 2 },
    { name: 'memory', type: '[]v1.ContainerMemory', number: 3 },
  ],
  'v1.CDIDevice': [{ name: 'name', type: 'string', number: 1 }],
  'v1.ClaimResource': [
    { name: 'cdiDevices', type: '[]v1.CDIDevice', number: 1 },
    { name: 'driverName', type: 'string', number: 2 },
    { name: 'poolName', type: 'string', number: 3 },
    { name: 'deviceName', type: 'string', number: 4 },
    { name: 'shareId', type: 'string', number: 5 },
  ],
  'v1.ContainerDevices': [
    { name: 'resourceName', type: 'string', number: 1 },
    { name: 'deviceIds', type: '[]string', number: 2 },
    { name: 'topology', type: 'v1.TopologyInfo', number: 3 },
  ],
  'v1.ContainerMemory': [
    { name: 'memoryType', type: 'string', number: 1 },
    { name: 'size', type: 'uint64', number: 2 },
    { name: 'topology', type: 'v1.TopologyInfo', number: 3 },
  ],
  'v1.ContainerResources': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'devices', type: '[]v1.ContainerDevices', number: 2 },
    { name: 'cpuIds', type: '[]int64', number: 3 },
    { name: 'memory', type: '[]v1.ContainerMemory', number: 4 },
    { name: 'dynamicResources', type: '[]v1.DynamicResource', number: 5 },
  ],
  'v1.DynamicResource': [
    { name: 'claimName', type: 'string', number: 2 },
    { name: 'claimNamespace', type: 'string', number: 3 },
    { name: 'claimResources', type: '[]v1.ClaimResource', number: 4 },
  ],
  'v1.GetPodResourcesRequest': [
    { name: 'podName', type: 'string', number: 1 },
    { name: 'podNamespace', type: 'string', number: 2 },
  ],
  'v1.GetPodResourcesResponse': [{ name: 'podResources', type: 'v1.PodResources', number: 1 }],
  'v1.ListPodResourcesRequest': [],
  'v1.ListPodResourcesResponse': [{ name: 'podResources', type: '[]v1.PodResources', number: 1 }],
  'v1.NUMANode': [{ name: 'id', type: 'int64', number: 1 }],
  'v1.PodResources': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'namespace', type: 'string', number: 2 },
    { name: 'containers', type: '[]v1.ContainerResources', number: 3 },
  ],
  'v1.TopologyInfo': [{ name: 'nodes', type: '[]v1.NUMANode', number: 1 }],
  'v1alpha1.DeviceHealth': [
    { name: 'device', type: 'v1alpha1.DeviceIdentifier', number: 1 },
    { name: 'health', type: 'int32', number: 2, enum: ['UNKNOWN', 'HEALTHY', 'UNHEALTHY'] },
    { name: 'lastUpdatedTime', type: 'int64', number: 3 },
    { name: 'healthCheckTimeoutSeconds', type: 'int64', number: 4 },
    { name: 'message', type: 'string', number: 5 },
  ],
  'v1alpha1.DeviceIdentifier': [
    { name: 'poolName', type: 'string', number: 1 },
    { name: 'deviceName', type: 'string', number: 2 },
  ],
  'v1alpha1.NodeWatchResourcesRequest': [],
  'v1alpha1.NodeWatchResourcesResponse': [{ name: 'devices', type: '[]v1alpha1.DeviceHealth', number: 1 }],
  'v1beta1.AllocateRequest': [{ name: 'containerRequests', type: '[]v1beta1.ContainerAllocateRequest', number: 1 }],
  'v1beta1.AllocateResponse': [{ name: 'containerResponses', type: '[]v1beta1.ContainerAllocateResponse', number: 1 }],
  'v1beta1.CDIDevice': [{ name: 'name', type: 'string', number: 1 }],
  'v1beta1.ContainerAllocateRequest': [{ name: 'devicesIds', type: '[]string', number: 1 }],
  'v1beta1.ContainerAllocateResponse': [
    { name: 'envs', type: 'map[string]string', number: 1 },
    { name: 'mounts', type: '[]v1beta1.Mount', number: 2 },
    { name: 'devices', type: '[]v1beta1.DeviceSpec', number: 3 },
    { name: 'annotations', type: 'map[string]string', number: 4 },
    { name: 'cdiDevices', type: '[]v1beta1.CDIDevice', number: 5 },
  ],
  'v1beta1.ContainerPreferredAllocationRequest': [
    { name: 'availableDeviceIDs', type: '[]string', number: 1 },
    { name: 'mustIncludeDeviceIDs', type: '[]string', number: 2 },
    { name: 'allocationSize', type: 'int32', number: 3 },
  ],
  'v1beta1.ContainerPreferredAllocationResponse': [{ name: 'deviceIDs', type: '[]string', number: 1 }],
  'v1beta1.Device': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'health', type: 'string', number: 2 },
    { name: 'topology', type: 'v1beta1.TopologyInfo', number: 3 },
  ],
  'v1beta1.DevicePluginOptions': [
    { name: 'preStartRequired', type: 'bool', number: 1 },
    { name: 'getPreferredAllocationAvailable', type: 'bool', number: 2 },
  ],
  'v1beta1.DeviceSpec': [
    { name: 'containerPath', type: 'string', number: 1 },
    { name: 'hostPath', type: 'string', number: 2 },
    { name: 'permissions', type: 'string', number: 3 },
  ],
  'v1beta1.Empty': [],
  'v1beta1.ListAndWatchResponse': [{ name: 'devices', type: '[]v1beta1.Device', number: 1 }],
  'v1beta1.Mount': [
    { name: 'containerPath', type: 'string', number: 1 },
    { name: 'hostPath', type: 'string', number: 2 },
    { name: 'readOnly', type: 'bool', number: 3 },
  ],
  'v1beta1.NUMANode': [{ name: 'id', type: 'int64', number: 1 }],
  'v1beta1.PreStartContainerRequest': [{ name: 'devicesIds', type: '[]string', number: 1 }],
  'v1beta1.PreStartContainerResponse': [],
  'v1beta1.PreferredAllocationRequest': [
    { name: 'containerRequests', type: '[]v1beta1.ContainerPreferredAllocationRequest', number: 1 },
  ],
  'v1beta1.PreferredAllocationResponse': [
    { name: 'containerResponses', type: '[]v1beta1.ContainerPreferredAllocationResponse', number: 1 },
  ],
  'v1beta1.RegisterRequest': [
    { name: 'version', type: 'string', number: 1 },
    { name: 'endpoint', type: 'string', number: 2 },
    { name: 'resourceName', type: 'string', number: 3 },
    { name: 'options', type: 'v1beta1.DevicePluginOptions', number: 4 },
  ],
  'v1beta1.TopologyInfo': [{ name: 'nodes', type: '[]v1beta1.NUMANode', number: 1 }],
};

export const methods = {
  'plugin.GetInfo': {
    path: '/pluginregistration.Registration/GetInfo',
    request: 'pluginregistration.InfoRequest',
    response: 'pluginregistration.PluginInfo',
  },
  'plugin.NotifyRegistrationStatus': {
    path: '/pluginregistration.Registration/NotifyRegistrationStatus',
    request: 'pluginregistration.RegistrationStatus',
    response: 'pluginregistration.RegistrationStatusResponse',
  },
  'device.Register': { path: '/v1beta1.Registration/Register', request: 'v1beta1.RegisterRequest', response: 'v1beta1.Empty' },
  'device.GetDevicePluginOptions': {
    path: '/v1beta1.DevicePlugin/GetDevicePluginOptions',
    request: 'v1beta1.Empty',
    response: 'v1beta1.DevicePluginOptions',
  },
  'device.ListAndWatch': {
    path: '/v1beta1.DevicePlugin/ListAndWatch',
    request: 'v1beta1.Empty',
    response: 'v1beta1.ListAndWatchResponse',
    stream: true,
  },
  'device.GetPreferredAllocation': {
    path: '/v1beta1.DevicePlugin/GetPreferredAllocation',
    request: 'v1beta1.PreferredAllocationRequest',
    response: 'v1beta1.PreferredAllocationResponse',
  },
  'device.Allocate': {
    path: '/v1beta1.DevicePlugin/Allocate',
    request: 'v1beta1.AllocateRequest',
    response: 'v1beta1.AllocateResponse',
  },
  'device.PreStartContainer': {
    path: '/v1beta1.DevicePlugin/PreStartContainer',
    request: 'v1beta1.PreStartContainerRequest',
    response: 'v1beta1.PreStartContainerResponse',
  },
  'dra.NodePrepareResources': {
    path: '/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodePrepareResources',
    request: 'k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourcesRequest',
    response: 'k8s.io.kubelet.pkg.apis.dra.v1.NodePrepareResourcesResponse',
  },
  'dra.NodeUnprepareResources': {
    path: '/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/NodeUnprepareResources',
    request: 'k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourcesRequest',
    response: 'k8s.io.kubelet.pkg.apis.dra.v1.NodeUnprepareResourcesResponse',
  },
  'draBeta.NodePrepareResources': {
    path: '/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/NodePrepareResources',
    request: 'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourcesRequest',
    response: 'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodePrepareResourcesResponse',
  },
  'draBeta.NodeUnprepareResources': {
    path: '/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/NodeUnprepareResources',
    request: 'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourcesRequest',
    response: 'k8s.io.kubelet.pkg.apis.dra.v1beta1.NodeUnprepareResourcesResponse',
  },
  'draHealth.NodeWatchResources': {
    path: '/v1alpha1.DRAResourceHealth/NodeWatchResources',
    request: 'v1alpha1.NodeWatchResourcesRequest',
    response: 'v1alpha1.NodeWatchResourcesResponse',
    stream: true,
  },
  'podResources.List': {
    path: '/v1.PodResourcesLister/List',
    request: 'v1.ListPodResourcesRequest',
    response: 'v1.ListPodResourcesResponse',
  },
  'podResources.Get': {
    path: '/v1.PodResourcesLister/Get',
    request: 'v1.GetPodResourcesRequest',
    response: 'v1.GetPodResourcesResponse',
  },
  'podResources.GetAllocatableResources': {
    path: '/v1.PodResourcesLister/GetAllocatableResources',
    request: 'v1.AllocatableResourcesRequest',
    response: 'v1.AllocatableResourcesResponse',
  },
} as const satisfies MethodTable;

export interface DraClaim {
  readonly namespace?: string;
  readonly uid?: string;
  readonly name?: string;
}

export interface DraDevice {
  readonly requestNames?: readonly string[];
  readonly poolName?: string;
  readonly deviceName?: string;
  readonly cdiDeviceIds?: readonly string[];
  readonly shareId?: string;
}

export interface DraNodePrepareResourceResponse {
  readonly devices?: readonly DraDevice[];
  readonly error?: string;
}

export interface DraNodePrepareResourcesRequest {
  readonly claims?: readonly DraClaim[];
}

export interface DraNodePrepareResourcesResponse {
  readonly claims?: Readonly<Record<string, DraNodePrepareResourceResponse>>;
}

export interface DraNodeUnprepareResourceResponse {
  readonly error?: string;
}

export interface DraNodeUnprepareResourcesRequest {
  readonly claims?: readonly DraClaim[];
}

export interface DraNodeUnprepareResourcesResponse {
  readonly claims?: Readonly<Record<string, DraNodeUnprepareResourceResponse>>;
}

export interface DraBetaClaim {
  readonly namespace?: string;
  readonly uid?: string;
  readonly name?: string;
}

export interface DraBetaDevice {
  readonly requestNames?: readonly string[];
  readonly poolName?: string;
  readonly deviceName?: string;
  readonly cdiDeviceIds?: readonly string[];
}

export interface DraBetaNodePrepareResourceResponse {
  readonly devices?: readonly DraBetaDevice[];
  readonly error?: string;
}

export interface DraBetaNodePrepareResourcesRequest {
  readonly claims?: readonly DraBetaClaim[];
}

export interface DraBetaNodePrepareResourcesResponse {
  readonly claims?: Readonly<Record<string, DraBetaNodePrepareResourceResponse>>;
}

export interface DraBetaNodeUnprepareResourceResponse {
  readonly error?: string;
}

export interface DraBetaNodeUnprepareResourcesRequest {
  readonly claims?: readonly DraBetaClaim[];
}

export interface DraBetaNodeUnprepareResourcesResponse {
  readonly claims?: Readonly<Record<string, DraBetaNodeUnprepareResourceResponse>>;
}

export interface PluginInfoRequest {}

export interface PluginPluginInfo {
  readonly type?: string;
  readonly name?: string;
  readonly endpoint?: string;
  readonly supportedVersions?: readonly string[];
}

export interface PluginRegistrationStatus {
  readonly pluginRegistered?: boolean;
  readonly error?: string;
}

export interface PluginRegistrationStatusResponse {}

export interface PodResourcesAllocatableResourcesRequest {}

export interface PodResourcesAllocatableResourcesResponse {
  readonly devices?: readonly PodResourcesContainerDevices[];
  readonly cpuIds?: readonly number[];
  readonly memory?: readonly PodResourcesContainerMemory[];
}

export interface PodResourcesCDIDevice {
  readonly name?: string;
}

export interface PodResourcesClaimResource {
  readonly cdiDevices?: readonly PodResourcesCDIDevice[];
  readonly driverName?: string;
  readonly poolName?: string;
  readonly deviceName?: string;
  readonly shareId?: string;
}

export interface PodResourcesContainerDevices {
  readonly resourceName?: string;
  readonly deviceIds?: readonly string[];
  readonly topology?: PodResourcesTopologyInfo;
}

export interface PodResourcesContainerMemory {
  readonly memoryType?: string;
  readonly size?: number;
  readonly topology?: PodResourcesTopologyInfo;
}

export interface PodResourcesContainerResources {
  readonly name?: string;
  readonly devices?: readonly PodResourcesContainerDevices[];
  readonly cpuIds?: readonly number[];
  readonly memory?: readonly PodResourcesContainerMemory[];
  readonly dynamicResources?: readonly PodResourcesDynamicResource[];
}

export interface PodResourcesDynamicResource {
  readonly claimName?: string;
  readonly claimNamespace?: string;
  readonly claimResources?: readonly PodResourcesClaimResource[];
}

export interface PodResourcesGetPodResourcesRequest {
  readonly podName?: string;
  readonly podNamespace?: string;
}

export interface PodResourcesGetPodResourcesResponse {
  readonly podResources?: PodResourcesPodResources;
}

export interface PodResourcesListPodResourcesRequest {}

export interface PodResourcesListPodResourcesResponse {
  readonly podResources?: readonly PodResourcesPodResources[];
}

export interface PodResourcesNUMANode {
  readonly id?: number;
}

export interface PodResourcesPodResources {
  readonly name?: string;
  readonly namespace?: string;
  readonly containers?: readonly PodResourcesContainerResources[];
}

export interface PodResourcesTopologyInfo {
  readonly nodes?: readonly PodResourcesNUMANode[];
}

export interface DraHealthDeviceHealth {
  readonly device?: DraHealthDeviceIdentifier;
  readonly health?: 'UNKNOWN' | 'HEALTHY' | 'UNHEALTHY';
  readonly lastUpdatedTime?: number;
  readonly healthCheckTimeoutSeconds?: number;
  readonly message?: string;
}

export interface DraHealthDeviceIdentifier {
  readonly poolName?: string;
  readonly deviceName?: string;
}

export interface DraHealthNodeWatchResourcesRequest {}

export interface DraHealthNodeWatchResourcesResponse {
  readonly devices?: readonly DraHealthDeviceHealth[];
}

export interface DeviceAllocateRequest {
  readonly containerRequests?: readonly DeviceContainerAllocateRequest[];
}

export interface DeviceAllocateResponse {
  readonly containerResponses?: readonly DeviceContainerAllocateResponse[];
}

export interface DeviceCDIDevice {
  readonly name?: string;
}

export interface DeviceContainerAllocateRequest {
  readonly devicesIds?: readonly string[];
}

export interface DeviceContainerAllocateResponse {
  readonly envs?: Readonly<Record<string, string>>;
  readonly mounts?: readonly DeviceMount[];
  readonly devices?: readonly DeviceDeviceSpec[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly cdiDevices?: readonly DeviceCDIDevice[];
}

export interface DeviceContainerPreferredAllocationRequest {
  readonly availableDeviceIDs?: readonly string[];
  readonly mustIncludeDeviceIDs?: readonly string[];
  readonly allocationSize?: number;
}

export interface DeviceContainerPreferredAllocationResponse {
  readonly deviceIDs?: readonly string[];
}

export interface DeviceDevice {
  readonly id?: string;
  readonly health?: string;
  readonly topology?: DeviceTopologyInfo;
}

export interface DeviceDevicePluginOptions {
  readonly preStartRequired?: boolean;
  readonly getPreferredAllocationAvailable?: boolean;
}

export interface DeviceDeviceSpec {
  readonly containerPath?: string;
  readonly hostPath?: string;
  readonly permissions?: string;
}

export interface DeviceEmpty {}

export interface DeviceListAndWatchResponse {
  readonly devices?: readonly DeviceDevice[];
}

export interface DeviceMount {
  readonly containerPath?: string;
  readonly hostPath?: string;
  readonly readOnly?: boolean;
}

export interface DeviceNUMANode {
  readonly id?: number;
}

export interface DevicePreStartContainerRequest {
  readonly devicesIds?: readonly string[];
}

export interface DevicePreStartContainerResponse {}

export interface DevicePreferredAllocationRequest {
  readonly containerRequests?: readonly DeviceContainerPreferredAllocationRequest[];
}

export interface DevicePreferredAllocationResponse {
  readonly containerResponses?: readonly DeviceContainerPreferredAllocationResponse[];
}

export interface DeviceRegisterRequest {
  readonly version?: string;
  readonly endpoint?: string;
  readonly resourceName?: string;
  readonly options?: DeviceDevicePluginOptions;
}

export interface DeviceTopologyInfo {
  readonly nodes?: readonly DeviceNUMANode[];
}

/** Request and answer of every method. */
export interface Calls {
  'plugin.GetInfo': { request: PluginInfoRequest; response: PluginPluginInfo };
  'plugin.NotifyRegistrationStatus': { request: PluginRegistrationStatus; response: PluginRegistrationStatusResponse };
  'device.Register': { request: DeviceRegisterRequest; response: DeviceEmpty };
  'device.GetDevicePluginOptions': { request: DeviceEmpty; response: DeviceDevicePluginOptions };
  'device.ListAndWatch': { request: DeviceEmpty; response: DeviceListAndWatchResponse };
  'device.GetPreferredAllocation': { request: DevicePreferredAllocationRequest; response: DevicePreferredAllocationResponse };
  'device.Allocate': { request: DeviceAllocateRequest; response: DeviceAllocateResponse };
  'device.PreStartContainer': { request: DevicePreStartContainerRequest; response: DevicePreStartContainerResponse };
  'dra.NodePrepareResources': { request: DraNodePrepareResourcesRequest; response: DraNodePrepareResourcesResponse };
  'dra.NodeUnprepareResources': { request: DraNodeUnprepareResourcesRequest; response: DraNodeUnprepareResourcesResponse };
  'draBeta.NodePrepareResources': { request: DraBetaNodePrepareResourcesRequest; response: DraBetaNodePrepareResourcesResponse };
  'draBeta.NodeUnprepareResources': {
    request: DraBetaNodeUnprepareResourcesRequest;
    response: DraBetaNodeUnprepareResourcesResponse;
  };
  'draHealth.NodeWatchResources': { request: DraHealthNodeWatchResourcesRequest; response: DraHealthNodeWatchResourcesResponse };
  'podResources.List': { request: PodResourcesListPodResourcesRequest; response: PodResourcesListPodResourcesResponse };
  'podResources.Get': { request: PodResourcesGetPodResourcesRequest; response: PodResourcesGetPodResourcesResponse };
  'podResources.GetAllocatableResources': {
    request: PodResourcesAllocatableResourcesRequest;
    response: PodResourcesAllocatableResourcesResponse;
  };
}

/** Messages that are read out of an Any or by name. */
export interface NamedMessages {
  'v1beta1.ContainerAllocateResponse': DeviceContainerAllocateResponse;
}

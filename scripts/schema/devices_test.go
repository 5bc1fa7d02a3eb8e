package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/cel/environment"
	dracel "k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/structured"
	"k8s.io/utils/ptr"
)

// What upstream's own allocator and selectors make of made-up devices, for tests of ours: the features are those of 1.36.

var celFeatures = dracel.Features{EnableConsumableCapacity: true}

// selectorVector is an expression, what it may cost, and what it says of devices.
type selectorVector struct {
	Expression string   `json:"expression"`
	Error      string   `json:"error,omitempty"`
	MaxCost    uint64   `json:"maxCost,omitempty"`
	Answers    []string `json:"answers,omitempty"`
}

type selectorVectors struct {
	Devices   []resourcev1.Device `json:"devices"`
	Selectors []selectorVector    `json:"selectors"`
}

var selectorExpressions = []string{
	`true`, `false`, `1 == 1 && device.driver == "a.example.com"`, `device.driver`, `device.allowMultipleAllocations`,
	`device.attributes["a.example.com"].bool`, `device.attributes["a.example.com"].int`, `device.attributes["a.example.com"].int == 7`,
	`device.attributes["a.example.com"].int > 5 && device.attributes["a.example.com"].string.startsWith("x")`,
	`device.attributes["a.example.com"].missing`, `device.attributes["a.example.com"].missing == 1`, `device.attributes["nowhere"].x`,
	`device.attributes["b.example.com"].bool`, `"b.example.com" in device.attributes`, `"nowhere" in device.attributes`,
	`"int" in device.attributes["a.example.com"]`, `has(device.attributes["a.example.com"].int)`,
	`has(device.attributes["nowhere"].int)`, `device.attributes["a.example.com"].?missing.orValue(true)`,
	`device.attributes[?"nowhere"].hasValue()`, `device.attributes[?"a.example.com"].?bool.orValue(false)`,
	`device.attributes["a.example.com"].version.isGreaterThan(semver("1.2.2"))`,
	`device.attributes["a.example.com"].version.compareTo(semver("v1.2", true)) > 0`,
	`device.attributes["a.example.com"].version == semver("1.2.3-rc.1")`, `device.attributes["a.example.com"].version.major() == 1`,
	`device.capacity["a.example.com"].memory.compareTo(quantity("8Gi")) >= 0`,
	`device.capacity["a.example.com"].memory.isLessThan(quantity("1000Gi"))`, `device.capacity["a.example.com"].memory == quantity("8192Mi")`,
	`device.capacity["nowhere"].memory.isLessThan(quantity("1"))`, `device.capacity["a.example.com"].memory.asInteger() == 8589934592`,
	`cel.bind(a, device.attributes["a.example.com"], a.bool && a.int == 7)`,
	`device.attributes.exists(d, "int" in device.attributes[d])`, `device.attributes.all(d, d.endsWith("example.com"))`,
	`device.attributes["a.example.com"].exists(k, k == "int")`, `size(device.attributes) == 2`, `size(device.capacity["nowhere"]) == 0`,
	`device.attributes["a.example.com"].string.matches("^x+$")`, `device.attributes["a.example.com"].string in ["x", "xyz"]`,
	`device.attributes["a.example.com"].string + 1`, `device.attributes["a.example.com"].int ? true : false`,
	`device.attributes.map(d, d) == ["a.example.com"]`, `device.attributes == {}`,
	`device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a == b && c == d))))`,
	`device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a.contains(b) && c.contains(d)))))`,
	`device.attributes["a.example.com"].all(k, device.attributes["a.example.com"][k] != "x")`,
	`device.capacity.all(d, device.capacity[d].all(k, device.capacity[d][k].isGreaterThan(quantity("1"))))`,
	`device.attributes["a.example.com"].string.matches("x") || device.driver.matches("a")`,
	`device.attributes["a.example.com"].string.lowerAscii() == "xyz"`, `device.driver.split(".")[1] == "example"`,
	`[1, 2, 3].exists(i, i == device.attributes["a.example.com"].int)`, `device.name == "x"`, `device.attributes["a"].x.y.z`,
	`device.attributes["a.example.com"].int.exists(x, x)`, `device`, `null`, ``, `device.driver == 1`, `!device.attributes["a.example.com"].bool`,
}

func selectorDevices() []resourcev1.Device {
	return []resourcev1.Device{
		{Name: "empty"},
		{
			Name: "full",
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
				"int": {IntValue: ptr.To[int64](7)}, "bool": {BoolValue: ptr.To(true)}, "a.example.com/string": {StringValue: ptr.To("xyz")},
				"version": {VersionValue: ptr.To("1.2.3-rc.1")}, "b.example.com/bool": {BoolValue: ptr.To(false)},
			},
			Capacity: map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{
				"memory": {Value: resource.MustParse("8Gi")}, "b.example.com/cores": {Value: resource.MustParse("500m")},
			},
			AllowMultipleAllocations: ptr.To(true),
		},
		{
			Name: "other",
			Attributes: map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
				"int": {IntValue: ptr.To[int64](-1)}, "bool": {BoolValue: ptr.To(false)}, "string": {StringValue: ptr.To("x")},
			},
			Capacity: map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{"memory": {Value: resource.MustParse("1e9")}},
		},
	}
}

func TestDeviceSelectors(t *testing.T) {
	devices := selectorDevices()
	vectors := selectorVectors{Devices: devices}
	newExpressions := environment.NewExpressions
	for _, expression := range selectorExpressions {
		compiled := dracel.GetCompiler(celFeatures).CompileCELExpression(expression, dracel.Options{EnvType: &newExpressions})
		vector := selectorVector{Expression: expression}
		if compiled.Error != nil {
			vector.Error = compiled.Error.Detail
			vectors.Selectors = append(vectors.Selectors, vector)
			continue
		}
		vector.MaxCost = compiled.MaxCost
		for _, device := range devices {
			matches, details, err := compiled.DeviceMatches(context.Background(), dracel.Device{
				Driver: "a.example.com", AllowMultipleAllocations: device.AllowMultipleAllocations, Attributes: device.Attributes, Capacity: device.Capacity,
			})
			answer := fmt.Sprint(matches)
			if err != nil {
				answer = err.Error()
			} else if cost := details.ActualCost(); cost != nil && *cost > compiled.MaxCost {
				t.Errorf("%s costs %d", expression, *cost)
			}
			vector.Answers = append(vector.Answers, answer)
		}
		vectors.Selectors = append(vectors.Selectors, vector)
	}
	compareTestdata(t, "device-selectors.json", vectors)
}

// compareTestdata keeps a file of testdata what upstream answers.
func compareTestdata(t *testing.T, name string, value any) {
	encoded, err := json.Marshal(value)
	must(err)
	// A case a line.
	text := strings.ReplaceAll(string(encoded), `},{"slices":`, "},\n{\"slices\":") + "\n"
	path := filepath.Join(generated, "testdata", name)
	if *write {
		must(os.WriteFile(path, []byte(text), 0o644))
	}
	committed, err := os.ReadFile(path)
	if err != nil || string(committed) != text {
		t.Errorf("%s is not what upstream answers: go test . -write (%v)", path, err)
	}
}

// allocationVector is a cluster, claims that want devices on a node of it, and what they get.
type allocationVector struct {
	Slices  []*resourcev1.ResourceSlice   `json:"slices"`
	Holders []*resourcev1.ResourceClaim   `json:"holders,omitempty"`
	Claims  []*resourcev1.ResourceClaim   `json:"claims"`
	Node    string                        `json:"node"`
	Results []resourcev1.AllocationResult `json:"results,omitempty"`
	Error   string                        `json:"error,omitempty"`
}

type allocationVectors struct {
	Classes []*resourcev1.DeviceClass `json:"classes"`
	Nodes   []*corev1.Node            `json:"nodes"`
	Cases   []allocationVector        `json:"cases"`
}

type classes []*resourcev1.DeviceClass

func (c classes) List() ([]*resourcev1.DeviceClass, error) { return c, nil }

func (c classes) Get(name string) (*resourcev1.DeviceClass, error) {
	for _, class := range c {
		if class.Name == name {
			return class, nil
		}
	}
	return nil, fmt.Errorf("deviceclass.resource.k8s.io %q not found", name)
}

const (
	firstDriver  = "a.example.com"
	secondDriver = "b.example.com"
)

func selector(expression string) []resourcev1.DeviceSelector {
	return []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: expression}}}
}

func opaque(text string) resourcev1.DeviceConfiguration {
	return resourcev1.DeviceConfiguration{Opaque: &resourcev1.OpaqueDeviceConfiguration{Driver: firstDriver}}
}

func zone(name string) *corev1.NodeSelector {
	return &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
		{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{name}},
	}}}}
}

// maker makes up clusters and claims.
type maker struct{ *rand.Rand }

func (m maker) chance(percent int) bool { return m.Intn(100) < percent }

func (m maker) device(name string, driver string, counters bool) resourcev1.Device {
	attributes := map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{
		"numa": {IntValue: ptr.To(int64(m.Intn(2)))}, "slot": {StringValue: ptr.To(fmt.Sprint(m.Intn(3)))},
	}
	if m.chance(70) {
		attributes[resourcev1.QualifiedName(driver+"/good")] = resourcev1.DeviceAttribute{BoolValue: ptr.To(m.chance(70))}
	}
	device := resourcev1.Device{
		Name: name, Attributes: attributes,
		Capacity: map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{"memory": {Value: *resource.NewQuantity(int64(8+8*m.Intn(3)), resource.DecimalSI)}},
	}
	if m.chance(15) {
		device.Taints = []resourcev1.DeviceTaint{{Key: "k", Value: "v", Effect: []resourcev1.DeviceTaintEffect{"NoSchedule", "NoExecute", "None"}[m.Intn(3)]}}
	}
	if m.chance(10) {
		device.BindingConditions, device.BindingFailureConditions = []string{"Ready"}, []string{"Broken"}
		device.BindsToNode = ptr.To(m.chance(50))
	}
	if m.chance(25) {
		device.AllowMultipleAllocations = ptr.To(true)
		capacity := device.Capacity["memory"]
		switch m.Intn(3) {
		case 0:
			capacity.RequestPolicy = &resourcev1.CapacityRequestPolicy{Default: ptr.To(resource.MustParse("2")), ValidRange: &resourcev1.CapacityRequestPolicyRange{
				Min: ptr.To(resource.MustParse("2")), Max: ptr.To(resource.MustParse("6")), Step: ptr.To(resource.MustParse("2")),
			}}
		case 1:
			capacity.RequestPolicy = &resourcev1.CapacityRequestPolicy{Default: ptr.To(resource.MustParse("3")), ValidValues: []resource.Quantity{
				resource.MustParse("1"), resource.MustParse("3"), resource.MustParse("5"),
			}}
		}
		device.Capacity["memory"] = capacity
	}
	if counters {
		device.ConsumesCounters = []resourcev1.DeviceCounterConsumption{{CounterSet: "set", Counters: map[string]resourcev1.Counter{
			"slices": {Value: *resource.NewQuantity(int64(1+m.Intn(3)), resource.DecimalSI)},
		}}}
	}
	return device
}

func (m maker) slices() []*resourcev1.ResourceSlice {
	var slices []*resourcev1.ResourceSlice
	for p := range 1 + m.Intn(4) {
		driver := []string{firstDriver, secondDriver}[m.Intn(2)]
		pool := resourcev1.ResourcePool{Name: fmt.Sprintf("pool-%d", p), Generation: int64(m.Intn(2)), ResourceSliceCount: int64(1 + m.Intn(2))}
		counters := m.chance(30)
		where, nodeName := m.Intn(4), fmt.Sprintf("n%d", 1+m.Intn(2))
		add := func(index int) *resourcev1.ResourceSlice {
			slice := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("slice-%d-%d", p, index)}}
			slice.Spec = resourcev1.ResourceSliceSpec{Driver: driver, Pool: pool}
			switch where {
			case 0:
				slice.Spec.NodeName = &nodeName
			case 1:
				slice.Spec.AllNodes = ptr.To(true)
			case 2:
				slice.Spec.NodeSelector = zone("east")
			case 3:
				slice.Spec.PerDeviceNodeSelection = ptr.To(true)
			}
			slices = append(slices, slice)
			return slice
		}
		count := int(pool.ResourceSliceCount)
		if m.chance(8) {
			count--
		}
		if counters && pool.ResourceSliceCount == 2 {
			count--
			add(9).Spec.SharedCounters = []resourcev1.CounterSet{{Name: "set", Counters: map[string]resourcev1.Counter{"slices": {Value: resource.MustParse("5")}}}}
		} else if counters && m.chance(80) {
			counters = false
		}
		for s := range count {
			slice := add(s)
			for d := range 1 + m.Intn(5) {
				name := fmt.Sprintf("dev-%d-%d", s, d)
				if m.chance(2) {
					name = "dev-0-0"
				}
				device := m.device(name, driver, counters && m.chance(70))
				if where == 3 {
					switch m.Intn(3) {
					case 0:
						device.NodeName = &nodeName
					case 1:
						device.AllNodes = ptr.To(true)
					case 2:
						device.NodeSelector = zone("west")
					}
				}
				slice.Spec.Devices = append(slice.Spec.Devices, device)
			}
		}
		if m.chance(8) {
			old := add(7)
			old.Spec.Pool.Generation = pool.Generation - 1
			old.Spec.Devices = []resourcev1.Device{m.device("old", driver, false)}
		}
	}
	return slices
}

var claimSelectors = []string{
	`device.attributes[device.driver].numa == 0`, `device.capacity[device.driver].memory.compareTo(quantity("16")) >= 0`,
	`device.attributes[device.driver].slot != "1"`, `device.attributes[device.driver].?good.orValue(false)`,
}

func (m maker) request(name string) resourcev1.DeviceSubRequest {
	request := resourcev1.DeviceSubRequest{Name: name, DeviceClassName: []string{"any", "first", "good"}[m.Intn(3)], AllocationMode: "ExactCount", Count: 1}
	if m.chance(1) {
		request.DeviceClassName = "missing"
	}
	switch {
	case m.chance(12):
		request.AllocationMode, request.Count = "All", 0
	case m.chance(35):
		request.Count = int64(2 + m.Intn(2))
	}
	if m.chance(35) {
		request.Selectors = selector(claimSelectors[m.Intn(len(claimSelectors))])
	}
	if m.chance(30) {
		request.Tolerations = []resourcev1.DeviceToleration{{Key: "k", Operator: "Exists"}}
	}
	if m.chance(30) {
		request.Capacity = &resourcev1.CapacityRequirements{Requests: map[resourcev1.QualifiedName]resource.Quantity{"memory": *resource.NewQuantity(int64(1+m.Intn(7)), resource.DecimalSI)}}
	}
	return request
}

func (m maker) claim(name string) *resourcev1.ResourceClaim {
	claim := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(name)}}
	devices := &claim.Spec.Devices
	var names []string
	single := true
	for r := range 1 + m.Intn(2) {
		request := resourcev1.DeviceRequest{Name: fmt.Sprintf("r%d", r)}
		names = append(names, request.Name)
		if m.chance(35) {
			for s := range 1 + m.Intn(3) {
				alternative := m.request(fmt.Sprintf("s%d", s))
				single = single && alternative.Count == 1
				request.FirstAvailable = append(request.FirstAvailable, alternative)
			}
			names = append(names, request.Name+"/s0")
		} else {
			sub := m.request("")
			single = single && sub.Count == 1
			request.Exactly = &resourcev1.ExactDeviceRequest{
				DeviceClassName: sub.DeviceClassName, Selectors: sub.Selectors, AllocationMode: sub.AllocationMode, Count: sub.Count,
				Tolerations: sub.Tolerations, Capacity: sub.Capacity,
			}
			if m.chance(8) {
				request.Exactly.AdminAccess = ptr.To(true)
			}
		}
		devices.Requests = append(devices.Requests, request)
	}
	some := func() []string {
		if m.chance(50) {
			return nil
		}
		return []string{names[m.Intn(len(names))]}
	}
	if m.chance(25) {
		devices.Constraints = append(devices.Constraints, resourcev1.DeviceConstraint{Requests: some(), MatchAttribute: ptr.To(resourcev1.FullyQualifiedName(firstDriver + "/numa"))})
	}
	// Upstream forgets values of a request with several devices.
	if single && m.chance(30) {
		devices.Constraints = append(devices.Constraints, resourcev1.DeviceConstraint{Requests: some(), DistinctAttribute: ptr.To(resourcev1.FullyQualifiedName(firstDriver + "/slot"))})
	}
	if m.chance(30) {
		devices.Config = append(devices.Config, resourcev1.DeviceClaimConfiguration{Requests: some(), DeviceConfiguration: opaque("claim")})
	}
	return claim
}

var deviceFeatures = structured.Features{
	AdminAccess: true, ConsumableCapacity: true, DeviceBindingAndStatus: true, DeviceTaints: true, PartitionableDevices: true, PrioritizedList: true,
}

// hold is what the scheduler knows of allocated claims.
func hold(state *structured.AllocatedState, result resourcev1.AllocationResult) {
	for _, r := range result.Devices.Results {
		if ptr.Deref(r.AdminAccess, false) {
			continue
		}
		id := structured.MakeDeviceID(r.Driver, r.Pool, r.Device)
		if r.ShareID == nil {
			state.AllocatedDevices.Insert(id)
			continue
		}
		state.AllocatedSharedDeviceIDs.Insert(structured.MakeSharedDeviceID(id, r.ShareID))
		state.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(id, r.ConsumedCapacity))
	}
}

func node(name, zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"zone": zone}}}
}

func TestDeviceAllocations(t *testing.T) {
	all := classes{
		{ObjectMeta: metav1.ObjectMeta{Name: "any"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "first"}, Spec: resourcev1.DeviceClassSpec{
			Selectors: selector(`device.driver == "a.example.com"`), Config: []resourcev1.DeviceClassConfiguration{{DeviceConfiguration: opaque("class")}},
		}},
		{ObjectMeta: metav1.ObjectMeta{Name: "good"}, Spec: resourcev1.DeviceClassSpec{Selectors: selector(`device.attributes[device.driver].?good.orValue(false)`)}},
	}
	nodes := []*corev1.Node{node("n1", "east"), node("n2", "west")}
	vectors := allocationVectors{Classes: all, Nodes: nodes}
	cache := dracel.NewCache(100, celFeatures)
	found := 0
	for seed := range 60 {
		m := maker{rand.New(rand.NewSource(int64(seed)))}
		slices := m.slices()
		state := structured.AllocatedState{
			AllocatedDevices: sets.New[structured.DeviceID](), AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](),
			AggregatedCapacity: structured.NewConsumedCapacityCollection(),
		}
		var holders []*resourcev1.ResourceClaim
		for round := range 3 {
			var claims []*resourcev1.ResourceClaim
			for c := range 1 + m.Intn(2) {
				claims = append(claims, m.claim(fmt.Sprintf("claim-%d-%d", round, c)))
			}
			target := nodes[m.Intn(2)]
			vector := allocationVector{Slices: slices, Holders: append([]*resourcev1.ResourceClaim(nil), holders...), Claims: claims, Node: target.Name}
			allocator, err := structured.NewAllocator(context.Background(), deviceFeatures, state, all, slices, cache)
			must(err)
			results, err := allocator.Allocate(context.Background(), target, claims)
			if err != nil {
				vector.Error = err.Error()
			}
			for i := range results {
				for j := range results[i].Devices.Results {
					if result := &results[i].Devices.Results[j]; result.ShareID != nil {
						result.ShareID = ptr.To(types.UID(fmt.Sprintf("%d-%d-%d", round, i, j)))
					}
				}
				holder := claims[i].DeepCopy()
				holder.Status.Allocation = results[i].DeepCopy()
				holders = append(holders, holder)
				hold(&state, results[i])
				found++
			}
			vector.Results = results
			vectors.Cases = append(vectors.Cases, vector)
		}
	}
	t.Logf("%d cases, %d claims allocated", len(vectors.Cases), found)
	compareTestdata(t, "device-allocations.json", vectors)
}

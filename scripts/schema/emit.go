package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"sort"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/controlplane"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// Kind is one kind of a group and version, and the type that holds it.
type Kind struct {
	Group    string `json:"group,omitempty"`
	Version  string `json:"version"`
	Kind     string `json:"kind"`
	Type     string `json:"type"`
	ListKind string `json:"listKind,omitempty"`
}

// groupFile is one generated JSON file.
type groupFile struct {
	group     string
	versions  []string
	kinds     []Kind
	resources []*Resource
	types     []*Type
}

// Kinds of apimachinery that go over the wire, with the group and version they are written with.
var metaKinds = []struct {
	group  string
	object any
}{
	{"", metav1.Status{}}, {"", metav1.APIVersions{}}, {"", metav1.APIGroup{}}, {"", metav1.APIGroupList{}}, {"", metav1.APIResourceList{}}, {"", metav1.List{}},
	{"meta.k8s.io", metav1.ListOptions{}}, {"meta.k8s.io", metav1.GetOptions{}}, {"meta.k8s.io", metav1.CreateOptions{}}, {"meta.k8s.io", metav1.UpdateOptions{}},
	{"meta.k8s.io", metav1.PatchOptions{}}, {"meta.k8s.io", metav1.DeleteOptions{}}, {"meta.k8s.io", metav1.WatchEvent{}},
	{"meta.k8s.io", metav1.Table{}}, {"meta.k8s.io", metav1.TableOptions{}},
	{"meta.k8s.io", metav1.PartialObjectMetadata{}}, {"meta.k8s.io", metav1.PartialObjectMetadataList{}},
}

// Types of apimachinery that no kind refers to.
var metaTypes = []any{version.Info{}, metav1.Condition{}, metav1.LabelSelector{}, metav1.OwnerReference{}, metav1.FieldSelectorRequirement{}, metav1.Preconditions{}}

var stable = regexp.MustCompile(`^v[0-9]+$`)

// Groups that no server serves by default but whose objects travel: to webhooks, in answers, in logs.
var unserved = map[schema.GroupVersion]bool{
	{Group: "admission.k8s.io", Version: "v1"}:    true,
	{Group: "apidiscovery.k8s.io", Version: "v2"}: true,
	{Group: "audit.k8s.io", Version: "v1"}:        true,
	{Group: "metrics.k8s.io", Version: "v1beta1"}: true,
}

// metrics.k8s.io is served by an aggregated server that is not part of the API server.
var metricsResources = []*Resource{
	{group: "metrics.k8s.io", Version: "v1beta1", Name: "nodes", Kind: "NodeMetrics", Verbs: []string{"get", "list"}},
	{group: "metrics.k8s.io", Version: "v1beta1", Name: "pods", Kind: "PodMetrics", Verbs: []string{"get", "list"}, Namespaced: true},
}

const metaPackage = "k8s.io/apimachinery/"

func fullScheme() *runtime.Scheme {
	s := legacyscheme.Scheme
	for _, add := range []func(*runtime.Scheme) error{
		apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme, metricsv1beta1.AddToScheme, auditv1.AddToScheme, apidiscoveryv2.AddToScheme,
	} {
		must(add(s))
	}
	return s
}

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				return m.Replace.Version
			}
			return m.Version
		}
	}
	return ""
}

func generatedBy() string {
	return fmt.Sprintf("scripts/schema, from k8s.io/api %s and k8s.io/kubernetes %s", moduleVersion("k8s.io/api"), moduleVersion("k8s.io/kubernetes"))
}

func fileName(group string) string {
	if group == "" {
		return "core"
	}
	return group
}

// build makes the tables of all groups from the scheme and from what the server serves.
func build(found *Found) (*tables, map[string]*groupFile) {
	s := fullScheme()
	t := newTables()
	served := map[schema.GroupVersion]bool{}
	order := map[string][]string{}
	for _, g := range found.groups {
		for _, v := range g.Versions {
			served[schema.GroupVersion{Group: g.Name, Version: v.Version}] = true
			order[g.Name] = append(order[g.Name], v.Version)
		}
	}
	files := map[string]*groupFile{}
	owner := map[string]string{} // Go package -> group
	for _, gv := range s.PrioritizedVersionsAllGroups() {
		if gv.Version == runtime.APIVersionInternal || !(served[gv] || unserved[gv] || (stable.MatchString(gv.Version) && gv.Group != "meta.k8s.io")) {
			continue
		}
		f := files[gv.Group]
		if f == nil {
			f = &groupFile{group: gv.Group, versions: slices.Clone(order[gv.Group])}
			files[gv.Group] = f
		}
		if !slices.Contains(f.versions, gv.Version) {
			f.versions = append(f.versions, gv.Version)
		}
		known := s.KnownTypes(gv)
		names := make([]string, 0, len(known))
		for name := range known {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			goType := known[name]
			if strings.HasPrefix(goType.PkgPath(), metaPackage) || !strings.HasSuffix(goType.PkgPath(), "/"+gv.Version) {
				continue
			}
			owner[goType.PkgPath()] = gv.Group
			k := Kind{Version: gv.Version, Kind: name, Type: t.add(goType)}
			if _, ok := known[name+"List"]; ok {
				k.ListKind = name + "List"
			}
			f.kinds = append(f.kinds, k)
		}
	}
	meta := &groupFile{group: "meta", versions: []string{"v1"}}
	files["meta"] = meta
	for _, m := range metaKinds {
		goType := reflect.TypeOf(m.object)
		k := Kind{Group: m.group, Version: "v1", Kind: goType.Name(), Type: t.add(goType)}
		if goType.Name() == "PartialObjectMetadata" {
			k.ListKind = "PartialObjectMetadataList"
		}
		meta.kinds = append(meta.kinds, k)
	}
	for _, m := range metaTypes {
		t.add(reflect.TypeOf(m))
	}
	for _, typ := range t.types {
		pkg := typ.goType.PkgPath()
		group, ok := owner[pkg]
		switch {
		case ok:
		case strings.HasPrefix(pkg, metaPackage):
			group = "meta"
		default:
			t.note("%s belongs to no group, kept in meta", typ.name)
			group = "meta"
		}
		files[group].types = append(files[group].types, typ)
	}
	for group, f := range files {
		sort.Slice(f.types, func(i, j int) bool { return f.types[i].name < f.types[j].name })
		sort.SliceStable(f.kinds, func(i, j int) bool {
			return slices.Index(f.versions, f.kinds[i].Version) < slices.Index(f.versions, f.kinds[j].Version)
		})
		f.resources = found.resources[group]
		if group == "metrics.k8s.io" {
			f.resources = metricsResources
		}
		for _, r := range f.resources {
			if !slices.ContainsFunc(f.kinds, func(k Kind) bool { return k.Kind == r.Kind && k.Version == r.Version }) {
				t.note("resource %s %s has no kind %s here", r.group, r.Name, r.Kind)
			}
		}
	}
	for group := range found.resources {
		if files[group] == nil {
			t.note("served group %s has no file", group)
		}
	}
	return t, files
}

// line is a value as JSON on one line.
func line(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	must(e.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

func writeList[T any](b *strings.Builder, name string, values []T, last bool) {
	fmt.Fprintf(b, "  %q: [", name)
	for i, v := range values {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n    " + line(v))
	}
	if len(values) > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("]")
	if !last {
		b.WriteString(",")
	}
	b.WriteString("\n")
}

func (f *groupFile) text() string {
	var b strings.Builder
	name := f.group
	fmt.Fprintf(&b, "{\n  \"generatedBy\": %s,\n  \"group\": %s,\n  \"versions\": %s,\n", line(generatedBy()), line(name), line(f.versions))
	writeList(&b, "kinds", f.kinds, false)
	writeList(&b, "resources", f.resources, false)
	if f.group == "meta" {
		fmt.Fprintf(&b, "  \"wire\": %s,\n", wireForms)
	}
	b.WriteString("  \"types\": {")
	for i, t := range f.types {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n    %s: %s", line(t.name), line(t))
	}
	b.WriteString("\n  }\n}\n")
	return b.String()
}

func emit(found *Found, objects map[string][]map[string]any, out string) error {
	t, files := build(found)
	if err := found.selectable(t, files); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(out, fileName(f.group)+".json"), []byte(f.text()), 0o644); err != nil {
			return err
		}
	}
	groups := orderedGroups(files)
	names, err := writeTypes(out, groups, t)
	if err != nil {
		return err
	}
	if err := writeResources(out, groups, names); err != nil {
		return err
	}
	if err := writeObjects(out, objects); err != nil {
		return err
	}
	if err := writeMessageTypes(out, t); err != nil {
		return err
	}
	sort.Strings(t.notes)
	for _, n := range t.notes {
		fmt.Println("note:", n)
	}
	return nil
}

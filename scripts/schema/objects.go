package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// snapshot lists what a fresh server made by itself, by resource ("pods", "deployments.apps").
func (f *Found) snapshot() (map[string][]map[string]any, error) {
	count, since := -1, time.Now()
	for {
		objects, total := map[string][]map[string]any{}, 0
		for _, g := range f.groups {
			for _, r := range f.resources[g.Name] {
				if r.Version != g.PreferredVersion.Version || !r.can("list") || !r.can("create") {
					continue
				}
				key := r.Name
				if g.Name != "" {
					key += "." + g.Name
				}
				code, body, err := f.get(r.path(), nil, "application/json")
				if err != nil || code != 200 {
					return nil, fmt.Errorf("list of %s: status %d: %w", r.path(), code, err)
				}
				var list struct {
					APIVersion string           `json:"apiVersion"`
					Kind       string           `json:"kind"`
					Items      []map[string]any `json:"items"`
				}
				if err := json.Unmarshal(body, &list); err != nil {
					return nil, err
				}
				total += len(list.Items)
				for _, item := range list.Items {
					item["apiVersion"], item["kind"] = list.APIVersion, strings.TrimSuffix(list.Kind, "List")
				}
				if len(list.Items) > 0 {
					objects[key] = list.Items
				}
			}
		}
		if total != count {
			count, since = total, time.Now()
		} else if time.Since(since) > 10*time.Second {
			return objects, nil
		}
		time.Sleep(time.Second)
	}
}

// clean removes what differs from server to server.
func clean(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "lastTransitionTime", "lastProbeTime", "lastHeartbeatTime", "clusterIP", "clusterIPs"} {
			delete(v, key)
		}
		for key, inner := range v {
			if s, ok := inner.(string); ok && strings.Contains(s, "-----BEGIN CERTIFICATE-----") {
				v[key] = "<PEM>"
			}
			// the port of this run stands for the usual one
			if n, ok := inner.(float64); ok && (key == "port" || key == "targetPort") && n > 30000 {
				v[key] = 6443
			}
			clean(inner)
		}
	case []any:
		for _, inner := range v {
			clean(inner)
		}
	}
}

// Resources that are not in default-objects.json: roles have their own file, the others come and go.
var leftOut = map[string]bool{
	"leases.coordination.k8s.io": true, "events": true, "events.events.k8s.io": true, "ipaddresses.networking.k8s.io": true,
	"clusterroles.rbac.authorization.k8s.io": true, "clusterrolebindings.rbac.authorization.k8s.io": true,
	"roles.rbac.authorization.k8s.io": true, "rolebindings.rbac.authorization.k8s.io": true,
}

func writeObjects(out string, objects map[string][]map[string]any) error {
	for _, items := range objects {
		for _, item := range items {
			clean(item)
			if data, ok := item["data"].(map[string]any); ok && data["since"] != nil {
				data["since"] = "<date>"
			}
		}
	}
	section := func(b *strings.Builder, name string, items []map[string]any, last bool) {
		writeList(b, name, items, last)
	}
	write := func(name string, keys []string, get func(string) []map[string]any) error {
		var b strings.Builder
		fmt.Fprintf(&b, "{\n  \"generatedBy\": %s,\n", line(generatedBy()))
		for i, key := range keys {
			section(&b, key, get(key), i == len(keys)-1)
		}
		b.WriteString("}\n")
		return os.WriteFile(filepath.Join(out, name), []byte(b.String()), 0o644)
	}
	err := write("bootstrap-rbac.json", []string{"clusterRoles", "clusterRoleBindings", "roles", "roleBindings"}, func(key string) []map[string]any {
		var flat []map[string]any
		for _, item := range objects[strings.ToLower(key)+".rbac.authorization.k8s.io"] {
			o := map[string]any{}
			for k, v := range item["metadata"].(map[string]any) {
				o[k] = v
			}
			for k, v := range item {
				if k != "metadata" && k != "apiVersion" && k != "kind" && v != nil {
					o[k] = v
				}
			}
			flat = append(flat, o)
		}
		return flat
	})
	if err != nil {
		return err
	}
	var keys []string
	for key := range objects {
		if !leftOut[key] {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return write("default-objects.json", keys, func(key string) []map[string]any { return objects[key] })
}

// paths are the field paths of a type down to a depth, through structs only.
func (t *tables) paths(typeName, prefix string, depth int) []string {
	var out []string
	typ := t.types[typeName]
	if typ == nil || depth == 0 {
		return nil
	}
	for _, f := range typ.Fields {
		if f.Inline {
			if f.Type != typeMeta {
				out = append(out, t.paths(f.Type, prefix, depth)...)
			}
			continue
		}
		out = append(out, prefix+f.Name)
		out = append(out, t.paths(f.Type, prefix+f.Name+".", depth-1)...)
	}
	return out
}

// selectable tries every field path of every resource as a field selector.
func (f *Found) selectable(t *tables, files map[string]*groupFile) error {
	for group, resources := range f.resources {
		for _, r := range resources {
			if !r.can("list") {
				continue
			}
			for _, k := range files[group].kinds {
				if k.Kind != r.Kind || k.Version != r.Version {
					continue
				}
				// "name" and the like are old labels that stand for no field
				for _, path := range append(t.paths(k.Type, "", 3), "name", "namespace", "nodeName") {
					code, _, err := f.get(r.path(), url.Values{"fieldSelector": {path + "=x"}, "limit": {"1"}}, "application/json")
					if code == 0 {
						return err
					}
					if code == 200 {
						r.SelectableFields = append(r.SelectableFields, path)
					}
				}
			}
		}
	}
	return nil
}

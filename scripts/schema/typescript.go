package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// orderedGroups is the order in which groups take names.
func orderedGroups(files map[string]*groupFile) []*groupFile {
	var out []*groupFile
	for _, f := range files {
		out = append(out, f)
	}
	first := []string{"meta", "", "apps", "batch", "rbac.authorization.k8s.io"}
	rank := func(f *groupFile) string {
		if i := slices.Index(first, f.group); i >= 0 {
			return fmt.Sprint(i)
		}
		for gv := range unserved {
			if gv.Group == f.group {
				return "9" + f.group
			}
		}
		return "8" + f.group
	}
	sort.Slice(out, func(i, j int) bool { return rank(out[i]) < rank(out[j]) })
	return out
}

func pascal(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func groupPrefix(group string) string {
	if group == "" {
		return "Core"
	}
	label, _, _ := strings.Cut(group, ".")
	return pascal(label)
}

func versionOf(t *Type) string {
	parts := strings.Split(t.name, ".")
	return parts[len(parts)-2]
}

func shortName(t *Type) string { return t.name[strings.LastIndex(t.name, ".")+1:] }

// naming gives every type its TypeScript name; clashes says which names were taken already.
type naming struct {
	names   map[string]string // definition -> TypeScript name
	taken   map[string]string // TypeScript name -> definition
	clashes []string
}

var reserved = map[string]bool{"Time": true, "MicroTime": true, "Quantity": true, "Duration": true, "Bytes": true, "IntOrString": true}

func (n *naming) give(f *groupFile, t *Type) {
	if n.names[t.name] != "" {
		return
	}
	bare := shortName(t)
	holder, clash := n.taken[bare]
	name := bare
	if reserved[bare] {
		panic(bare + " is an alias in types.ts")
	}
	if clash {
		suffix := pascal(versionOf(t))
		sameGroup := slices.ContainsFunc(f.types, func(o *Type) bool { return o.name == holder })
		if sameGroup {
			name = bare + suffix
		} else {
			name = groupPrefix(f.group) + bare
			if _, again := n.taken[name]; again {
				name += suffix
			}
		}
		if other, again := n.taken[name]; again {
			panic(fmt.Sprintf("%s and %s would both be called %s", other, t.name, name))
		}
		n.clashes = append(n.clashes, fmt.Sprintf("%s = %s (%s is %s)", name, t.name, bare, holder))
	}
	n.names[t.name], n.taken[name] = name, t.name
}

func nameTypes(groups []*groupFile, t *tables) *naming {
	n := &naming{names: map[string]string{}, taken: map[string]string{}}
	for _, f := range groups {
		for _, k := range f.kinds {
			n.give(f, t.types[k.Type])
		}
	}
	for _, f := range groups {
		for _, v := range f.versions {
			for _, typ := range f.types {
				if versionOf(typ) == v {
					n.give(f, typ)
				}
			}
		}
		for _, typ := range f.types {
			n.give(f, typ)
		}
	}
	sort.Strings(n.clashes)
	return n
}

var aliases = map[string]string{
	"string": "string", "bool": "boolean", "int32": "number", "int64": "number", "uint8": "number", "uint32": "number", "uint64": "number",
	"float32": "number", "float64": "number", "bytes": "Bytes", "time": "Time", "microTime": "MicroTime", "duration": "Duration",
	"quantity": "Quantity", "intOrString": "IntOrString", "fieldsV1": "Record<string, unknown>", "rawExtension": "unknown", "json": "unknown",
}

func (n *naming) typescript(expression string) string {
	switch {
	case strings.HasPrefix(expression, "[]"):
		return n.typescript(expression[2:]) + "[]"
	case strings.HasPrefix(expression, "map[string]"):
		return "Record<string, " + n.typescript(expression[len("map[string]"):]) + ">"
	case aliases[expression] != "":
		return aliases[expression]
	}
	return n.names[expression]
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

const (
	metaPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1."
	typeMeta   = metaPrefix + "TypeMeta"
	objectMeta = metaPrefix + "ObjectMeta"
)

var jsonFormTypes = map[string]string{
	"schemaOrBool":        "JSONSchemaProps | boolean",
	"schemaOrArray":       "JSONSchemaProps | JSONSchemaProps[]",
	"schemaOrStringArray": "JSONSchemaProps | string[]",
}

// isStruct tells whether Go always writes a value of this type, however empty.
func isStruct(expression string) bool {
	switch expression {
	case "time", "microTime", "duration", "quantity", "intOrString", "fieldsV1", "rawExtension":
		return true
	}
	return strings.HasPrefix(expression, "io.k8s.")
}

func always(f *Field) bool {
	switch {
	case f.Pointer:
		return false
	case isStruct(f.Type):
		return !f.OmitZero
	case strings.HasPrefix(f.Type, "[]"), strings.HasPrefix(f.Type, "map["), f.Type == "bytes":
		return f.Required && !f.OmitEmpty && !f.OmitZero
	}
	return !f.OmitEmpty && !f.OmitZero
}

func (n *naming) declaration(t *Type, kind *Kind, group string) string {
	name := n.names[t.name]
	if t.JSONForm != "" {
		return fmt.Sprintf("export type %s = %s;\n", name, jsonFormTypes[t.JSONForm])
	}
	literals := kind != nil && !strings.HasSuffix(kind.Kind, "Options") && kind.Kind != "WatchEvent"
	var bases, lines []string
	for _, f := range t.Fields {
		if f.Inline {
			if f.Type == typeMeta && literals {
				apiVersion := kind.Version
				if group != "" {
					apiVersion = group + "/" + kind.Version
				}
				lines = append(lines, fmt.Sprintf("  apiVersion: '%s';\n  kind: '%s';\n", apiVersion, kind.Kind))
			} else {
				bases = append(bases, n.typescript(f.Type))
			}
			continue
		}
		property, ts, mark := f.Name, n.typescript(f.Type), "?"
		if !identifier.MatchString(property) {
			property = "'" + property + "'"
		}
		if always(f) || (kind != nil && f.Name == "metadata") || (t.name == objectMeta && f.Name == "name") {
			mark = ""
		}
		if mark == "" && !f.Required && (f.Type == "time" || f.Type == "microTime") {
			ts += " | null"
		}
		// templates and reviews need no name
		if f.Type == objectMeta && (kind == nil || strings.HasSuffix(kind.Kind, "Review")) {
			ts = "Partial<" + ts + ">"
		}
		lines = append(lines, fmt.Sprintf("  %s%s: %s;\n", property, mark, ts))
	}
	extends := ""
	if len(bases) > 0 {
		extends = " extends " + strings.Join(bases, ", ")
	}
	if len(lines) == 0 {
		if len(bases) == 1 {
			return fmt.Sprintf("export type %s = %s;\n", name, bases[0])
		}
		return fmt.Sprintf("export type %s = Record<string, never>;\n", name)
	}
	return fmt.Sprintf("export interface %s%s {\n%s}\n", name, extends, strings.Join(lines, ""))
}

func writeTypes(out string, groups []*groupFile, t *tables) (*naming, error) {
	n := nameTypes(groups, t)
	var b strings.Builder
	fmt.Fprintf(&b, "// Generated by %s. Do not edit.\n", generatedBy())
	b.WriteString("// Over 600 lines: one interface for every type of the API.\n//\n")
	b.WriteString("// A type has its Go name. Names are given in this order: kinds before other types; shared types, core, apps, batch, rbac,\n")
	b.WriteString("// the other served groups by alphabet, groups that are not served; the preferred version first. Who comes later\n")
	b.WriteString("// and finds the name taken gets its version as suffix (same group) or its group as prefix (other group):\n")
	for _, c := range n.clashes {
		b.WriteString("//   " + c + "\n")
	}
	b.WriteString("//\n// A property without `?` is one that the server always writes. `Time | null` is null while it was never set.\n")
	b.WriteString(`
/** RFC 3339, whole seconds, UTC. */
export type Time = string;
/** RFC 3339 with six digits of a second, UTC. */
export type MicroTime = string;
/** A duration in Go's form: 1h30m, 500ms. */
export type Duration = string;
/** A number with a suffix: 500m, 1Gi. */
export type Quantity = string;
/** Base64. */
export type Bytes = string;
export type IntOrString = number | string;
`)
	for _, f := range groups {
		for _, v := range f.versions {
			title := f.group + "/" + v
			if f.group == "" {
				title = v
			}
			if f.group == "meta" {
				title = "shared"
			}
			fmt.Fprintf(&b, "\n// ---- %s ----\n", title)
			for _, typ := range f.types {
				if versionOf(typ) != v && f.group != "meta" {
					continue
				}
				var kind *Kind
				group := f.group
				for i := range f.kinds {
					if f.kinds[i].Type == typ.name {
						kind = &f.kinds[i]
						if f.group == "meta" {
							group = kind.Group
						}
					}
				}
				b.WriteString("\n" + n.declaration(typ, kind, group))
			}
		}
	}
	return n, os.WriteFile(filepath.Join(out, "types.ts"), []byte(b.String()), 0o644)
}

// plural is the resource's name in the capitals of its kind.
func plural(r *Resource) string {
	lower := strings.ToLower(r.Kind)
	i := 0
	for i < len(lower) && i < len(r.Name) && lower[i] == r.Name[i] {
		i++
	}
	return r.Kind[:i] + r.Name[i:]
}

func writeResources(out string, groups []*groupFile, n *naming) error {
	taken := map[string]bool{}
	var lines, imports []string
	for _, f := range groups {
		for _, v := range f.versions {
			for _, r := range f.resources {
				if r.Version != v {
					continue
				}
				k := slices.IndexFunc(f.kinds, func(k Kind) bool { return k.Kind == r.Kind && k.Version == v })
				if k < 0 {
					return fmt.Errorf("%s has no kind", r.path())
				}
				name := plural(r)
				if taken[name] {
					if slices.Index(f.versions, v) > 0 {
						name += pascal(v)
					} else {
						name = groupPrefix(f.group) + name
					}
				}
				if taken[name] {
					return fmt.Errorf("%s: %s is taken", r.path(), name)
				}
				taken[name] = true
				typeName := n.names[f.kinds[k].Type]
				imports = append(imports, typeName)
				if typeName == name {
					typeName += "Type"
				}
				lines = append(lines, fmt.Sprintf("export const %s: ResourceReference<%s> = { group: '%s', version: '%s', resource: '%s', kind: '%s', namespaced: %t };\n",
					name, typeName, f.group, v, r.Name, r.Kind, r.Namespaced))
			}
		}
	}
	sort.Strings(imports)
	imports = slices.Compact(imports)
	var b strings.Builder
	fmt.Fprintf(&b, "// Generated by %s. Do not edit.\n\nimport type { ResourceReference } from '../resource-reference.js';\nimport type {\n", generatedBy())
	for _, i := range imports {
		if taken[i] {
			i += " as " + i + "Type"
		}
		fmt.Fprintf(&b, "  %s,\n", i)
	}
	b.WriteString("} from './types.js';\n\n")
	for _, l := range lines {
		b.WriteString(l)
	}
	return os.WriteFile(filepath.Join(out, "resources.ts"), []byte(b.String()), 0o644)
}

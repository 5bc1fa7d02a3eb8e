package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sort"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	openapicommon "k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"
	generatedopenapi "k8s.io/kubernetes/pkg/generated/openapi"
)

// Field is one entry of a type's table. The order of the members is the order in the file.
type Field struct {
	Name              string          `json:"name"`
	Type              string          `json:"type"`
	Number            int             `json:"number,omitempty"`
	Packed            bool            `json:"packed,omitempty"`
	Pointer           bool            `json:"pointer,omitempty"`
	OmitEmpty         bool            `json:"omitEmpty,omitempty"`
	OmitZero          bool            `json:"omitZero,omitempty"`
	Inline            bool            `json:"inline,omitempty"`
	ProtoWrapper      string          `json:"protoWrapper,omitempty"`
	ProtoValueWrapper string          `json:"protoValueWrapper,omitempty"`
	Required          bool            `json:"required,omitempty"`
	Default           json.RawMessage `json:"default,omitempty"`
	ZeroDefault       bool            `json:"zeroDefault,omitempty"`
	Enum              []string        `json:"enum,omitempty"`
	Format            string          `json:"format,omitempty"`
	PatchStrategy     string          `json:"patchStrategy,omitempty"`
	PatchMergeKey     string          `json:"patchMergeKey,omitempty"`
	ListType          string          `json:"listType,omitempty"`
	ListMapKeys       []string        `json:"listMapKeys,omitempty"`
	MapType           string          `json:"mapType,omitempty"`
	StructType        string          `json:"structType,omitempty"`

	goType reflect.Type
}

// Type is one struct of the API.
type Type struct {
	StructType string          `json:"structType,omitempty"`
	JSONForm   string          `json:"jsonForm,omitempty"`
	Unions     json.RawMessage `json:"unions,omitempty"`
	Fields     []*Field        `json:"fields"`

	name   string
	goType reflect.Type
}

// Structs that stand in the tables as one word, because their JSON is not that of a struct.
var specialTypes = map[reflect.Type]string{
	reflect.TypeFor[metav1.Time]():          "time",
	reflect.TypeFor[metav1.MicroTime]():     "microTime",
	reflect.TypeFor[metav1.Duration]():      "duration",
	reflect.TypeFor[resource.Quantity]():    "quantity",
	reflect.TypeFor[intstr.IntOrString]():   "intOrString",
	reflect.TypeFor[metav1.FieldsV1]():      "fieldsV1",
	reflect.TypeFor[runtime.RawExtension](): "rawExtension",
	reflect.TypeFor[runtime.Unknown]():      "rawExtension", // only in audit events
	reflect.TypeFor[apiextensionsv1.JSON](): "json",
}

// Structs with fields whose JSON is a choice between two shapes.
var jsonForms = map[reflect.Type]string{
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrBool]():        "schemaOrBool",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrArray]():       "schemaOrArray",
	reflect.TypeFor[apiextensionsv1.JSONSchemaPropsOrStringArray](): "schemaOrStringArray",
}

var (
	jsonMarshaler  = reflect.TypeFor[json.Marshaler]()
	protoMarshaler = reflect.TypeFor[interface{ MarshalTo([]byte) (int, error) }]()
)

// wireForms says what a codec must know about the words above and about the envelope.
const wireForms = `{
    "string": {"kind":"bytes","note":"UTF-8"},
    "bytes": {"kind":"bytes","note":"base64 in JSON"},
    "bool": {"kind":"varint"},
    "int32": {"kind":"varint","note":"negative values as 64-bit two's complement, ten bytes"},
    "int64": {"kind":"varint"},
    "float64": {"kind":"fixed64","note":"little-endian IEEE 754"},
    "time": {"kind":"message","fields":{"seconds":{"number":1,"type":"int64"},"nanos":{"number":2,"type":"int32"}},"note":"RFC 3339 in JSON, whole seconds; nanos is written as 0 and ignored when read; a zero time is an empty message and JSON null"},
    "microTime": {"kind":"message","fields":{"seconds":{"number":1,"type":"int64"},"nanos":{"number":2,"type":"int32"}},"note":"RFC 3339 with six digits in JSON; nanos cut to whole microseconds; a zero time is an empty message and JSON null"},
    "duration": {"kind":"message","fields":{"duration":{"number":1,"type":"int64"}},"note":"nanoseconds; a Go duration string in JSON"},
    "quantity": {"kind":"message","fields":{"string":{"number":1,"type":"string"}}},
    "intOrString": {"kind":"message","fields":{"type":{"number":1,"type":"int64"},"intVal":{"number":2,"type":"int32"},"strVal":{"number":3,"type":"string"}},"note":"type 0 is int, 1 is string; all three are always written"},
    "fieldsV1": {"kind":"message","fields":{"Raw":{"number":1,"type":"bytes"}},"note":"Raw holds JSON"},
    "rawExtension": {"kind":"message","fields":{"raw":{"number":1,"type":"bytes"}},"note":"raw holds JSON, or an enveloped object where both sides speak protobuf (watch events)"},
    "json": {"kind":"message","fields":{"raw":{"number":1,"type":"bytes"}},"note":"raw holds JSON"},
    "map": {"kind":"message","fields":{"key":{"number":1},"value":{"number":2}},"note":"one repeated entry a key, keys sorted by bytes; key and value are always written"},
    "wrapper": {"kind":"message","fields":{"items":{"number":1}},"note":"what protoWrapper and protoValueWrapper name: a message around the repeated field or the map"},
    "envelope": {"magic":"6b387300","fields":{"typeMeta":{"number":1,"fields":{"apiVersion":{"number":1,"type":"string"},"kind":{"number":2,"type":"string"}}},"raw":{"number":2,"type":"bytes"},"contentEncoding":{"number":3,"type":"string"},"contentType":{"number":4,"type":"string"}},"note":"contentEncoding and contentType are written, empty"},
    "presence": {"note":"scalars, strings and structs that are no pointers are always written, in the order of their numbers; pointers, bytes, lists and maps only when not null"}
  }`

type tables struct {
	types map[string]*Type
	defs  map[string]openapicommon.OpenAPIDefinition
	// notes about what had no definition or looked odd, printed at the end
	notes []string
}

func newTables() *tables {
	defs := generatedopenapi.GetOpenAPIDefinitions(func(path string) spec.Ref {
		return spec.MustCreateRef("#/definitions/" + path)
	})
	return &tables{types: map[string]*Type{}, defs: defs}
}

func (t *tables) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

type modelNamer interface{ OpenAPIModelName() string }

// modelName is the name of a struct's OpenAPI definition.
func modelName(t reflect.Type) string {
	if n, ok := reflect.New(t).Interface().(modelNamer); ok {
		return n.OpenAPIModelName()
	}
	path := t.PkgPath()
	host, rest, _ := strings.Cut(path, "/")
	labels := strings.Split(host, ".")
	for i, j := 0, len(labels)-1; i < j; i, j = i+1, j-1 {
		labels[i], labels[j] = labels[j], labels[i]
	}
	return strings.Join(labels, ".") + "." + strings.ReplaceAll(rest, "/", ".") + "." + t.Name()
}

// add enters a struct and everything it refers to, and returns its name.
func (t *tables) add(goType reflect.Type) string {
	name := modelName(goType)
	if known, ok := t.types[name]; ok {
		if known.goType != goType {
			panic(fmt.Sprintf("two Go types are called %s", name))
		}
		return name
	}
	if jsonForms[goType] == "" && (goType.Implements(jsonMarshaler) || reflect.PointerTo(goType).Implements(jsonMarshaler)) {
		panic(fmt.Sprintf("%s writes its own JSON: say how in specialTypes or jsonForms", goType))
	}
	typ := &Type{name: name, goType: goType, JSONForm: jsonForms[goType], Fields: []*Field{}}
	t.types[name] = typ
	def, hasDef := t.defs[name]
	if !hasDef {
		t.note("no OpenAPI definition: %s", name)
	}
	if hasDef {
		for key, value := range def.Schema.Extensions {
			switch key {
			case "x-kubernetes-map-type":
				typ.StructType = value.(string)
			case "x-kubernetes-unions":
				raw, err := json.Marshal(value)
				must(err)
				typ.Unions = raw
			default:
				t.note("%s: extension %s=%v is not recorded", name, key, value)
			}
		}
	}
	required := map[string]bool{}
	for _, r := range def.Schema.Required {
		required[r] = true
	}
	for i := range goType.NumField() {
		sf := goType.Field(i)
		if f := t.field(name, sf, typ.JSONForm != ""); f != nil {
			if !f.Inline && hasDef && typ.JSONForm == "" {
				prop, ok := def.Schema.Properties[f.Name]
				if !ok {
					t.note("%s: no property %s", name, f.Name)
				} else {
					f.Required = required[f.Name]
					t.property(name, f, prop)
				}
			}
			typ.Fields = append(typ.Fields, f)
		}
	}
	return name
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// field reads what the Go struct field and its tags say.
func (t *tables) field(owner string, sf reflect.StructField, customJSON bool) *Field {
	jsonTag, hasJSON := sf.Tag.Lookup("json")
	if jsonTag == "-" || !sf.IsExported() {
		return nil
	}
	f := &Field{goType: sf.Type}
	parts := strings.Split(jsonTag, ",")
	f.Name = parts[0]
	for _, option := range parts[1:] {
		switch option {
		case "omitempty":
			f.OmitEmpty = true
		case "omitzero":
			f.OmitZero = true
		case "inline":
			f.Inline = true
		default:
			t.note("%s.%s: JSON option %s", owner, sf.Name, option)
		}
	}
	if sf.Anonymous && f.Name == "" {
		f.Inline = true
	}
	if f.Inline && !sf.Anonymous {
		t.note("%s.%s is inline but not embedded: its JSON name is the Go name", owner, sf.Name)
	}
	if !hasJSON && !sf.Anonymous && !customJSON {
		t.note("%s.%s has no JSON tag", owner, sf.Name)
	}
	protoName := ""
	if tag, ok := sf.Tag.Lookup("protobuf"); ok && tag != "-" {
		for i, p := range strings.Split(tag, ",") {
			switch {
			case i == 0: // the wire kind word is often wrong, "bytes" for a number: the Go type decides
			case i == 1:
				_, err := fmt.Sscanf(p, "%d", &f.Number)
				must(err)
			case p == "opt", p == "rep", p == "req": // some tags have no label, and the Go type says it all
			case p == "packed":
				f.Packed = true
			case strings.HasPrefix(p, "name="):
				protoName = strings.TrimPrefix(p, "name=")
			case strings.HasPrefix(p, "casttype="), strings.HasPrefix(p, "castkey="), strings.HasPrefix(p, "castvalue="), strings.HasPrefix(p, "json="), p == "proto2", p == "proto3", strings.HasPrefix(p, "def="):
			default:
				t.note("%s.%s: protobuf option %s", owner, sf.Name, p)
			}
		}
	}
	if f.Name == "" {
		switch {
		case protoName != "":
			f.Name = protoName
		case f.Inline, customJSON:
			f.Name = lowerFirst(sf.Name)
		default:
			f.Name = sf.Name
		}
	}
	goType := sf.Type
	if goType.Kind() == reflect.Pointer {
		f.Pointer = true
		goType = goType.Elem()
	}
	if f.Number > 0 {
		f.ProtoWrapper = wrapper(goType)
		if goType.Kind() == reflect.Map {
			f.ProtoValueWrapper = wrapper(goType.Elem())
		} else if goType.Kind() == reflect.Slice && wrapper(goType.Elem()) != "" {
			panic(fmt.Sprintf("%s.%s: a list of wrapped lists", owner, sf.Name))
		}
	}
	f.Type = t.expression(owner+"."+sf.Name, goType)
	return f
}

// wrapper names the message that stands around a named list or map on the wire.
func wrapper(t reflect.Type) string {
	if (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && t.Name() != "" && reflect.PointerTo(t).Implements(protoMarshaler) {
		return t.Name()
	}
	return ""
}

// expression is the type expression of a Go type; structs met on the way are entered.
func (t *tables) expression(where string, goType reflect.Type) string {
	if word, ok := specialTypes[goType]; ok {
		return word
	}
	if goType.Kind() != reflect.Struct && goType.Name() != "" && goType.PkgPath() != "" && goType.Implements(jsonMarshaler) {
		panic(fmt.Sprintf("%s: %s writes its own JSON", where, goType))
	}
	switch goType.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Uint8, reflect.Float32, reflect.Float64:
		return goType.Kind().String()
	case reflect.Int:
		t.note("%s is a plain Go int, recorded as int64", where)
		return "int64"
	case reflect.Interface:
		t.note("%s is an interface, recorded as json", where)
		return "json"
	case reflect.Pointer:
		t.note("%s: a pointer inside a list or map", where)
		return t.expression(where, goType.Elem())
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + t.expression(where, goType.Elem())
	case reflect.Map:
		if goType.Key().Kind() != reflect.String {
			panic(fmt.Sprintf("%s: a map with keys of type %s", where, goType.Key()))
		}
		return "map[string]" + t.expression(where, goType.Elem())
	case reflect.Struct:
		return t.add(goType)
	}
	panic(fmt.Sprintf("%s: no expression for %s", where, goType))
}

var obviousFormats = map[string]string{
	"int32": "int32", "int64": "int64", "float64": "double", "float32": "float", "bytes": "byte", "time": "date-time", "microTime": "date-time",
	"intOrString": "int-or-string", "uint8": "byte",
}

// property adds what the OpenAPI definition says about a field.
func (t *tables) property(owner string, f *Field, prop spec.Schema) {
	if prop.Default != nil {
		value := reflect.ValueOf(prop.Default)
		zero := value.IsZero() || (value.Kind() == reflect.Map && value.Len() == 0)
		if zero && !f.Pointer {
			f.ZeroDefault = true
		} else {
			raw, err := json.Marshal(prop.Default)
			must(err)
			f.Default = raw
		}
	}
	format := prop.Format
	if inner := innermost(&prop); inner != &prop {
		f.Enum = enum(inner.Enum)
		if inner.Format != "" && obviousFormats[base(f.Type)] != inner.Format {
			format = inner.Format
		}
	}
	if prop.Enum != nil {
		f.Enum = enum(prop.Enum)
	}
	if format != "" && obviousFormats[f.Type] != format {
		f.Format = format
	}
	for key, value := range prop.Extensions {
		switch key {
		case "x-kubernetes-patch-strategy":
			f.PatchStrategy = value.(string)
		case "x-kubernetes-patch-merge-key":
			f.PatchMergeKey = value.(string)
		case "x-kubernetes-list-type":
			f.ListType = value.(string)
		case "x-kubernetes-list-map-keys":
			for _, k := range value.([]interface{}) {
				f.ListMapKeys = append(f.ListMapKeys, k.(string))
			}
		case "x-kubernetes-map-type":
			if strings.HasPrefix(f.Type, "map[") {
				f.MapType = value.(string)
			} else {
				f.StructType = value.(string)
			}
		default:
			t.note("%s.%s: extension %s=%v is not recorded", owner, f.Name, key, value)
		}
	}
	for word, set := range map[string]bool{
		"maximum": prop.Maximum != nil, "minimum": prop.Minimum != nil, "maxLength": prop.MaxLength != nil, "minLength": prop.MinLength != nil,
		"pattern": prop.Pattern != "", "maxItems": prop.MaxItems != nil, "minItems": prop.MinItems != nil, "nullable": prop.Nullable,
	} {
		if set {
			t.note("%s.%s: %s is not recorded", owner, f.Name, word)
		}
	}
}

func innermost(s *spec.Schema) *spec.Schema {
	for {
		switch {
		case s.Items != nil && s.Items.Schema != nil:
			s = s.Items.Schema
		case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
			s = s.AdditionalProperties.Schema
		default:
			return s
		}
	}
}

// base is the element type of a list or map, however deep.
func base(expression string) string {
	for {
		switch {
		case strings.HasPrefix(expression, "[]"):
			expression = expression[2:]
		case strings.HasPrefix(expression, "map[string]"):
			expression = expression[len("map[string]"):]
		default:
			return expression
		}
	}
}

func enum(values []interface{}) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprint(v))
	}
	sort.Strings(out)
	return out
}

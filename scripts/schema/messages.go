package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	"k8s.io/kubernetes/pkg/apis/apps"
	"k8s.io/kubernetes/pkg/apis/authorization"
	"k8s.io/kubernetes/pkg/apis/batch"
	"k8s.io/kubernetes/pkg/apis/certificates"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/flowcontrol"
	"k8s.io/kubernetes/pkg/apis/networking"
	"k8s.io/kubernetes/pkg/apis/policy"
	"k8s.io/kubernetes/pkg/apis/rbac"
	"k8s.io/kubernetes/pkg/apis/resource"
	"k8s.io/kubernetes/pkg/apis/storage"
)

// What messages of the API server print of the types that stand behind it, and what they call the types of the API.

// printed are the types whose values upstream's validation prints whole, each with the one that clients write.
var printed = []struct{ internal, external any }{
	{admissionregistration.AuditAnnotation{}, admissionregistrationv1.AuditAnnotation{}},
	{apps.DaemonSetUpdateStrategy{}, appsv1.DaemonSetUpdateStrategy{}},
	{apps.DeploymentStrategy{}, appsv1.DeploymentStrategy{}},
	{apps.RollingUpdateStatefulSetStrategy{}, appsv1.RollingUpdateStatefulSetStrategy{}},
	{apps.StatefulSetUpdateStrategy{}, appsv1.StatefulSetUpdateStrategy{}},
	{authorization.NonResourceAttributes{}, authorizationv1.NonResourceAttributes{}},
	{batch.PodFailurePolicy{}, batchv1.PodFailurePolicy{}},
	{batch.SuccessPolicy{}, batchv1.SuccessPolicy{}},
	{batch.UncountedTerminatedPods{}, batchv1.UncountedTerminatedPods{}},
	{certificates.CertificateSigningRequestCondition{}, certificatesv1.CertificateSigningRequestCondition{}},
	{core.ClusterTrustBundleProjection{}, corev1.ClusterTrustBundleProjection{}},
	{core.EphemeralContainer{}, corev1.EphemeralContainer{}},
	{core.EventSource{}, corev1.EventSource{}},
	{core.NodeAddress{}, corev1.NodeAddress{}},
	{core.NodeConfigSource{}, corev1.NodeConfigSource{}},
	{core.NodeSelectorTerm{}, corev1.NodeSelectorTerm{}},
	{core.ObjectReference{}, corev1.ObjectReference{}},
	{core.PersistentVolumeClaimSpec{}, corev1.PersistentVolumeClaimSpec{}},
	{core.PersistentVolumeSource{}, corev1.PersistentVolumeSource{}},
	{core.PodIP{}, corev1.PodIP{}},
	{core.PodResourceClaim{}, corev1.PodResourceClaim{}},
	{core.PodSpec{}, corev1.PodSpec{}},
	{core.PodTemplateSpec{}, corev1.PodTemplateSpec{}},
	{core.ScopeSelector{}, corev1.ScopeSelector{}},
	{core.SeccompProfile{}, corev1.SeccompProfile{}},
	{core.SecurityContext{}, corev1.SecurityContext{}},
	{core.ServicePort{}, corev1.ServicePort{}},
	{core.Taint{}, corev1.Taint{}},
	{core.Toleration{}, corev1.Toleration{}},
	{core.VolumeNodeAffinity{}, corev1.VolumeNodeAffinity{}},
	{flowcontrol.FlowDistinguisherMethod{}, flowcontrolv1.FlowDistinguisherMethod{}},
	{flowcontrol.FlowSchemaSpec{}, flowcontrolv1.FlowSchemaSpec{}},
	{flowcontrol.PriorityLevelConfigurationSpec{}, flowcontrolv1.PriorityLevelConfigurationSpec{}},
	{metav1.LabelSelector{}, metav1.LabelSelector{}},
	{metav1.ObjectMeta{}, metav1.ObjectMeta{}},
	{metav1.OwnerReference{}, metav1.OwnerReference{}},
	{networking.IngressRule{}, networkingv1.IngressRule{}},
	{networking.ParentReference{}, networkingv1.ParentReference{}},
	{networking.ServiceCIDRSpec{}, networkingv1.ServiceCIDRSpec{}},
	{policy.PodDisruptionBudgetSpec{}, policyv1.PodDisruptionBudgetSpec{}},
	{rbac.RoleRef{}, rbacv1.RoleRef{}},
	{resource.AllocationResult{}, resourcev1.AllocationResult{}},
	{resource.DeviceAttribute{}, resourcev1.DeviceAttribute{}},
	{resource.ResourceClaimSpec{}, resourcev1.ResourceClaimSpec{}},
	{resource.ResourceClaimTemplateSpec{}, resourcev1.ResourceClaimTemplateSpec{}},
	{storage.CSINodeDriver{}, storagev1.CSINodeDriver{}},
	{storage.VolumeAttachmentSpec{}, storagev1.VolumeAttachmentSpec{}},
	{apiextensions.CustomResourceDefinitionVersion{}, apiextensionsv1.CustomResourceDefinitionVersion{}},
	{apiextensions.JSONSchemaProps{}, apiextensionsv1.JSONSchemaProps{}},
	{apiextensions.JSONSchemaPropsOrArray{}, apiextensionsv1.JSONSchemaPropsOrArray{}},
	{apiextensions.ValidationRule{}, apiextensionsv1.ValidationRule{}},
}

// Fields that clients write beside the object which holds them inside.
var besideOwner = map[string]string{
	"core.PodSecurityContext.HostNetwork":           "hostNetwork",
	"core.PodSecurityContext.HostPID":               "hostPID",
	"core.PodSecurityContext.HostIPC":               "hostIPC",
	"core.PodSecurityContext.ShareProcessNamespace": "shareProcessNamespace",
	"core.PodSecurityContext.HostUsers":             "hostUsers",
}

// Fields that have an older name, which counts where the newer one is empty.
var olderNames = map[string]string{
	"core.PodSpec.ServiceAccountName": "serviceAccount",
}

// Fields of choices: clients write what is chosen in place of the owner.
var choices = map[string]string{
	"apiextensions.JSONSchemaPropsOrArray.Schema":         "{}",
	"apiextensions.JSONSchemaPropsOrArray.JSONSchemas":    "[]",
	"apiextensions.JSONSchemaPropsOrBool.Allows":          "?",
	"apiextensions.JSONSchemaPropsOrBool.Schema":          "{}",
	"apiextensions.JSONSchemaPropsOrStringArray.Schema":   "{}",
	"apiextensions.JSONSchemaPropsOrStringArray.Property": "[]",
}

// internalName is a Go type as `%T` prints it: core.PodSpec.
func internalName(t reflect.Type) string { return t.String() }

func elem(t reflect.Type) reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && specialTypes[t] == "" {
		t = t.Elem()
	}
	return t
}

// printedTypes are the tables of all types that the printed ones reach, by internal name. A field is
// `NAME[=SOURCE]:TYPE[,omitempty|,omitzero]`.
type printedTypes map[string][]string

func (p printedTypes) add(internal, external reflect.Type) string {
	name := internalName(internal)
	if _, known := p[name]; known {
		return name
	}
	p[name] = nil
	fields := []string{}
	for i := range internal.NumField() {
		f := internal.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" || !f.IsExported() {
			continue
		}
		source, sourceType := p.source(name, f, external)
		printedName := f.Name
		if tag != "" {
			printedName = tag
		}
		inline := f.Anonymous && tag == ""
		if inline {
			printedName = ""
		}
		text := printedName
		if source != lowerFirst(printedName + " ")[:len(printedName)] || inline && source != "" {
			text += "=" + source
		}
		text += ":" + p.expression(name+"."+f.Name, f.Type, sourceType)
		for _, option := range strings.Split(options, ",") {
			if option == "omitempty" || option == "omitzero" {
				text += "," + option
			}
		}
		fields = append(fields, text)
	}
	p[name] = fields
	return name
}

// source is the JSON name of what clients write into a field, and its type; "" for the owner itself or for nothing at all.
func (p printedTypes) source(owner string, f reflect.StructField, external reflect.Type) (string, reflect.Type) {
	if beside, ok := besideOwner[owner+"."+f.Name]; ok {
		return "^" + beside, nil
	}
	if external == nil {
		return "-", nil
	}
	twin, ok := external.FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, f.Name) })
	if !ok {
		return "-", nil
	}
	if choice, ok := choices[owner+"."+f.Name]; ok {
		return choice, elem(twin.Type)
	}
	name, options, _ := strings.Cut(twin.Tag.Get("json"), ",")
	if name == "" && (twin.Anonymous || strings.Contains(options, "inline")) {
		return "", elem(twin.Type)
	}
	if older, ok := olderNames[owner+"."+f.Name]; ok {
		name += "|" + older
	}
	return name, elem(twin.Type)
}

func (p printedTypes) expression(where string, t, external reflect.Type) string {
	if word, ok := specialTypes[t]; ok {
		return word
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Uint8, reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Pointer:
		return "*" + p.expression(where, t.Elem(), external)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + p.expression(where, t.Elem(), external)
	case reflect.Map:
		return "map[string]" + p.expression(where, t.Elem(), external)
	case reflect.Interface:
		return "any"
	case reflect.Struct:
		if external != nil && external.Kind() != reflect.Struct {
			external = nil
		}
		return p.add(t, external)
	}
	panic(fmt.Sprintf("%s: no expression for %s", where, t))
}

func writeMessageTypes(out string, t *tables) error {
	types := printedTypes{}
	roots := []string{}
	for _, pair := range printed {
		roots = append(roots, types.add(reflect.TypeOf(pair.internal), elem(reflect.TypeOf(pair.external))))
	}
	if err := writeObject(filepath.Join(out, "internal-types.json"), types); err != nil {
		return err
	}
	sort.Strings(roots)
	var b strings.Builder
	fmt.Fprintf(&b, "// Generated by %s. Do not edit.\n\n/** Types of internal-types.json whose values messages print. */\nexport type InternalType =\n", generatedBy())
	for i, name := range roots {
		end := "\n"
		if i == len(roots)-1 {
			end = ";\n"
		}
		fmt.Fprintf(&b, "  | '%s'%s", name, end)
	}
	if err := os.WriteFile(filepath.Join(out, "internal-types.ts"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return writeObject(filepath.Join(out, "go-types.json"), t.goTypes())
}

// goType is a Go type as the decoder's messages name it. Behind `=` stands what a named list or map is made of.
func goType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.String()
	inner := t
	for {
		switch {
		case inner.Name() != "" && (inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map) && specialTypes[inner] == "":
			return name + "=" + goType(unnamed(inner))
		case inner.Name() == "" && (inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map):
			inner = inner.Elem()
		default:
			return name
		}
	}
}

// unnamed is the list or map that a name stands for.
func unnamed(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Map {
		return reflect.MapOf(t.Key(), t.Elem())
	}
	return reflect.SliceOf(t.Elem())
}

// plainGoType is what our decoder would call a type expression without further help.
func plainGoType(expression string) string {
	b := base(expression)
	prefix := strings.TrimSuffix(expression, b)
	if word, ok := plainGoTypes[b]; ok {
		return prefix + word
	}
	if parts := strings.Split(b, "."); len(parts) > 1 {
		return prefix + strings.Join(parts[len(parts)-2:], ".")
	}
	return prefix + b
}

var plainGoTypes = map[string]string{
	"bytes": "[]uint8", "time": "v1.Time", "microTime": "v1.MicroTime", "duration": "v1.Duration", "quantity": "resource.Quantity",
	"intOrString": "intstr.IntOrString", "fieldsV1": "v1.FieldsV1", "rawExtension": "runtime.RawExtension", "json": "interface {}",
}

// goTypes are the names of fields' types that cannot be told from their expressions, by type and field.
func (t *tables) goTypes() map[string]map[string]string {
	out := map[string]map[string]string{}
	set := func(owner, field, name string) {
		if out[owner] == nil {
			out[owner] = map[string]string{}
		}
		out[owner][field] = name
	}
	for name, typ := range t.types {
		if text := typ.goType.String(); text != plainGoType(name) {
			t.note("messages call %s %s", name, text)
		}
		for _, f := range typ.Fields {
			if text := goType(f.goType); text != plainGoType(f.Type) && !f.Inline {
				set(name, f.Name, text)
			}
		}
	}
	return out
}

// writeObject writes one member a line, sorted.
func writeObject[T any](file string, members map[string]T) error {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	sort.Strings(names)
	var b strings.Builder
	b.WriteString("{")
	for i, name := range names {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n  %s: %s", line(name), line(members[name]))
	}
	b.WriteString("\n}\n")
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

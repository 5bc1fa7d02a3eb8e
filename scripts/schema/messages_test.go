package main

import (
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsinstall "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// printedVector is a value as clients write it and as upstream's messages print it.
type printedVector struct {
	Type    string          `json:"type"`
	JSON    json.RawMessage `json:"json"`
	Printed string          `json:"printed"`
}

func withSecurityContext(spec *corev1.PodSpec) {
	if spec.SecurityContext == nil {
		spec.SecurityContext = &corev1.PodSecurityContext{}
	}
}

// TestPrintedValues keeps testdata/internal-values.json what upstream makes of the same seeds: its own conversion, then its own JSON.
func TestPrintedValues(t *testing.T) {
	apiextensionsScheme := runtime.NewScheme()
	apiextensionsinstall.Install(apiextensionsScheme)
	var vectors []string
	for i, pair := range printed {
		for seed, density := range []float64{0, 0.5, 0.8} {
			external := reflect.New(elem(reflect.TypeOf(pair.external)))
			internal := reflect.New(reflect.TypeOf(pair.internal))
			f := &filler{rand.New(rand.NewSource(int64(1000*i + seed))), density, 90}
			if density > 0 {
				f.fill(external.Elem(), 0)
			}
			// What validation sees has been defaulted.
			switch v := external.Interface().(type) {
			case *corev1.PodSpec:
				withSecurityContext(v)
			case *corev1.PodTemplateSpec:
				withSecurityContext(&v.Spec)
			}
			given, err := json.Marshal(external.Interface())
			must(err)
			scheme := legacyscheme.Scheme
			if strings.HasPrefix(internalName(internal.Type().Elem()), "apiextensions.") {
				scheme = apiextensionsScheme
				// Its types decode themselves, to more than is written: a schema where a boolean may stand allows.
				external = reflect.New(external.Type().Elem())
				must(json.Unmarshal(given, external.Interface()))
			}
			if external.Type() == internal.Type() {
				internal = external
			} else if err := scheme.Convert(external.Interface(), internal.Interface(), nil); err != nil {
				t.Fatalf("%s: %v", internal.Type(), err)
			}
			printed, err := json.Marshal(internal.Interface())
			must(err)
			vectors = append(vectors, line(printedVector{internalName(internal.Type().Elem()), given, string(printed)}))
		}
	}
	text := "[\n  " + strings.Join(vectors, ",\n  ") + "\n]\n"
	t.Logf("%d values, %d bytes", len(vectors), len(text))
	path := filepath.Join(generated, "testdata", "internal-values.json")
	if *write {
		must(os.WriteFile(path, []byte(text), 0o644))
	}
	committed, err := os.ReadFile(path)
	if err != nil || string(committed) != text {
		t.Errorf("%s is not what the seeds give: go test . -write (%v)", path, err)
	}
}

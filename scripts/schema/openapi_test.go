package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
)

// Upstream's own parser says what small documents with every keyword look like in protobuf; the encoder of core/apiserver/openapi is
// tested against that.
func TestOpenAPIVectors(t *testing.T) {
	folder := filepath.Join("..", "..", "core", "apiserver", "openapi", "testdata")
	parsers := map[string]func([]byte) (proto.Message, error){
		"v2": func(b []byte) (proto.Message, error) { return openapi_v2.ParseDocument(b) },
		"v3": func(b []byte) (proto.Message, error) { return openapi_v3.ParseDocument(b) },
	}
	vectors := map[string]string{}
	for _, version := range []string{"v2", "v3"} {
		text, err := os.ReadFile(filepath.Join(folder, version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		document, err := parsers[version](text)
		if err != nil {
			t.Fatal(err)
		}
		message, err := proto.MarshalOptions{Deterministic: true}.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		vectors[version] = base64.StdEncoding.EncodeToString(message)
	}
	printed, _ := json.MarshalIndent(vectors, "", "  ")
	path := filepath.Join(folder, "vectors.json")
	if *write {
		if err := os.WriteFile(path, append(printed, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(path)
	if err != nil || string(kept) != string(printed)+"\n" {
		t.Errorf("%s is not what the documents give: go test . -write (%v)", path, err)
	}
}

// Command schema prints the facts about the Kubernetes API that the TypeScript sources work from.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		serve(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == controllersCommand {
		runControllers(os.Args[2:])
		return
	}
	out := flag.String("out", "", "directory of the generated files")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: schema -out DIRECTORY\n       schema serve -port PORT -kubeconfig FILE [-controllers LIST] [-- flags of kube-apiserver]")
		os.Exit(2)
	}
	dir, err := os.MkdirTemp("", "schema-")
	fail(err)
	err = generate(dir, *out)
	os.RemoveAll(dir)
	fail(err)
}

func generate(dir, out string) error {
	server, err := startUpstream(dir, freePort(), nil)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := server.waitReady(2 * time.Minute); err != nil {
		return err
	}
	found, err := discover(server.config)
	if err != nil {
		return err
	}
	if err := found.columns(); err != nil {
		return err
	}
	objects, err := found.snapshot()
	if err != nil {
		return err
	}
	return emit(found, objects, out)
}

package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// controllersCommand is the hidden command that runs upstream's controller manager; serve starts it as a child,
// because both have flags and feature gates that are global to a process.
const controllersCommand = "controller-manager"

func runControllers(args []string) {
	command := controllermanager.NewControllerManagerCommand()
	command.SetArgs(args)
	fail(command.Execute())
}

func startControllers(kubeconfig, dir, controllers string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.Command(self, controllersCommand, "--kubeconfig="+kubeconfig, "--controllers="+controllers, "--leader-elect=false",
		"--use-service-account-credentials=false", "--secure-port=0",
		"--service-account-private-key-file="+filepath.Join(dir, "token.key"), "--root-ca-file="+filepath.Join(dir, "server-ca.crt"))
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return child, child.Start()
}

func serve(args []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	port := flags.Int("port", 6443, "port on 127.0.0.1")
	kubeconfig := flags.String("kubeconfig", "", "where to write the admin's kubeconfig")
	controllers := flags.String("controllers", "", "controllers of upstream's controller manager to run too, as its flag --controllers takes them; '*' for its default set")
	fail(flags.Parse(args))
	if *kubeconfig == "" {
		fail(fmt.Errorf("serve needs -kubeconfig FILE"))
	}
	dir, err := os.MkdirTemp("", "upstream-apiserver-")
	fail(err)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	err = serveIn(dir, *port, *kubeconfig, *controllers, flags.Args(), signals)
	os.RemoveAll(dir)
	fail(err)
}

func serveIn(dir string, port int, kubeconfig, controllers string, extraFlags []string, signals <-chan os.Signal) error {
	server, err := startUpstream(dir, port, extraFlags)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := server.waitReady(2 * time.Minute); err != nil {
		return err
	}
	if err := server.writeKubeconfig(kubeconfig); err != nil {
		return err
	}
	stopControllers := func() {}
	if controllers != "" {
		child, err := startControllers(kubeconfig, dir, controllers)
		if err != nil {
			return err
		}
		stopControllers = sync.OnceFunc(func() {
			child.Process.Kill()
			child.Wait()
		})
		defer stopControllers()
	}
	fmt.Printf("upstream's API server listens on %s, kubeconfig in %s\n", server.config.Host, kubeconfig)
	select {
	case <-signals:
		// the API server heard the signal too, and waits for open watches
		stopControllers()
		select {
		case <-server.failed:
		case <-time.After(10 * time.Second):
		}
		return nil
	case err := <-server.failed:
		return err
	}
}

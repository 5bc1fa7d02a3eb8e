package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// upstream is upstream's API server with its own etcd, both in this process.
type upstream struct {
	config *rest.Config
	failed <-chan error
	stop   func()
}

type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func issue(template *x509.Certificate, parent *pair) *pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	must(err)
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(365 * 24 * time.Hour)
	template.KeyUsage |= x509.KeyUsageDigitalSignature
	signer := &pair{template, key}
	if parent != nil {
		signer = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, &key.PublicKey, signer.key)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return &pair{cert, key}
}

func authority(name string) *pair {
	return issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (p *pair) certPEM() []byte { return pemOf("CERTIFICATE", p.cert.Raw) }

func keyPEM(key crypto.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	return pemOf("PRIVATE KEY", der)
}

// freePort finds a port above 30000, where the system hands them out.
func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startEtcd(dir string) (string, func(), error) {
	cfg := embed.NewConfig()
	cfg.Dir = dir
	cfg.LogLevel = "fatal"
	cfg.UnsafeNoFsync = true
	client := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", freePort())}
	peer := url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", freePort())}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return "", nil, err
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		return "", nil, fmt.Errorf("etcd is not ready after 30 s")
	}
	return client.String(), etcd.Close, nil
}

// startUpstream starts upstream's API server on 127.0.0.1:port with its default feature gates,
// runtime configuration and admission, RBAC on. dir holds its keys and its data.
func startUpstream(dir string, port int, extraFlags []string) (*upstream, error) {
	etcdURL, stopEtcd, err := startEtcd(filepath.Join(dir, "etcd"))
	if err != nil {
		return nil, err
	}
	serverCA, clientCA, proxyCA := authority("server-ca"), authority("client-ca"), authority("proxy-ca")
	serving := issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 43, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, serverCA)
	clientAuth := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	admin := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}}, ExtKeyUsage: clientAuth}, clientCA)
	proxy := issue(&x509.Certificate{Subject: pkix.Name{CommonName: "system:auth-proxy"}, ExtKeyUsage: clientAuth}, proxyCA)
	tokenKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	publicKey, err := x509.MarshalPKIXPublicKey(&tokenKey.PublicKey)
	must(err)
	files := map[string][]byte{
		"server-ca.crt": serverCA.certPEM(), "client-ca.crt": clientCA.certPEM(), "proxy-ca.crt": proxyCA.certPEM(),
		"serving.crt": serving.certPEM(), "serving.key": keyPEM(serving.key),
		"proxy.crt": proxy.certPEM(), "proxy.key": keyPEM(proxy.key),
		"token.key": keyPEM(tokenKey), "token.pub": pemOf("PUBLIC KEY", publicKey),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	flags := []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(port),
		// an address of the documentation range: loopback may not stand in an EndpointSlice
		"--advertise-address=192.0.2.1",
		"--tls-cert-file=" + in("serving.crt"), "--tls-private-key-file=" + in("serving.key"),
		"--client-ca-file=" + in("client-ca.crt"),
		"--requestheader-client-ca-file=" + in("proxy-ca.crt"), "--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + in("proxy.crt"), "--proxy-client-key-file=" + in("proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file=" + in("token.key"), "--service-account-key-file=" + in("token.pub"),
		"--service-cluster-ip-range=10.43.0.0/16",
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
		"--cert-dir=" + in("certs"),
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append(flags, extraFlags...))
	failed := make(chan error, 1)
	go func() { failed <- command.Execute() }()

	config := &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", port),
		QPS:  -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: serverCA.certPEM(), CertData: admin.certPEM(), KeyData: keyPEM(admin.key),
		},
	}
	return &upstream{config: config, failed: failed, stop: stopEtcd}, nil
}

// waitReady waits until /readyz says that every post-start hook is done.
func (u *upstream) waitReady(timeout time.Duration) error {
	client, err := rest.HTTPClientFor(u.config)
	if err != nil {
		return err
	}
	last := "no answer"
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		select {
		case err := <-u.failed:
			return fmt.Errorf("the API server ended: %w", err)
		default:
		}
		if response, err := client.Get(u.config.Host + "/readyz?verbose"); err != nil {
			last = err.Error()
		} else {
			response.Body.Close()
			if response.StatusCode == 200 {
				return nil
			}
			last = response.Status
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("not ready after %s: %s", timeout, last)
}

func (u *upstream) writeKubeconfig(path string) error {
	c := clientcmdapi.NewConfig()
	c.Clusters["upstream"] = &clientcmdapi.Cluster{Server: u.config.Host, CertificateAuthorityData: u.config.CAData}
	c.AuthInfos["admin"] = &clientcmdapi.AuthInfo{ClientCertificateData: u.config.CertData, ClientKeyData: u.config.KeyData}
	c.Contexts["upstream"] = &clientcmdapi.Context{Cluster: "upstream", AuthInfo: "admin"}
	c.CurrentContext = "upstream"
	return clientcmd.WriteToFile(*c, path)
}

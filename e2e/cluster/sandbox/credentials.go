package sandbox

import (
	"crypto/rand"
	"fmt"
	"net"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// credentials are the files that the control plane identifies itself and others with, and an administrator's token.
type credentials struct {
	servingCert, servingKey string
	serviceAccountKey       string
	tokens                  string
	authority               []byte
	token                   string
}

func newCredentials(dir string) (credentials, error) {
	c := credentials{token: rand.Text()}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"})
	if err != nil {
		return credentials{}, fmt.Errorf("make the certificate of the API server: %w", err)
	}
	accountKey, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return credentials{}, fmt.Errorf("make the key of service accounts: %w", err)
	}
	c.authority = certificate
	for _, file := range []struct {
		path    *string
		name    string
		content []byte
	}{
		{&c.servingCert, "serving.crt", certificate},
		{&c.servingKey, "serving.key", key},
		{&c.serviceAccountKey, "service-accounts.key", accountKey},
		{&c.tokens, "tokens.csv", []byte(c.token + ",admin,admin,system:masters\n")},
	} {
		if *file.path, err = write(dir, file.name, file.content); err != nil {
			return credentials{}, err
		}
	}
	return c, nil
}

func (c credentials) writeKubeconfig(path, server, cluster string) error {
	name := "rollout-" + cluster
	config := clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{name: {Server: server, CertificateAuthorityData: c.authority}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{name: {Token: c.token}},
		Contexts:       map[string]*clientcmdapi.Context{name: {Cluster: name, AuthInfo: name}},
		CurrentContext: name,
	}
	if err := clientcmd.WriteToFile(config, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return nil
}

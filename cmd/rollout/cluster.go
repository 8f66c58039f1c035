package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/user"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to sign in that a kubeconfig may name
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rollout-dev/rollout/rollout/api/client"
	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

// oneRequest bounds every request that is not a wait.
const oneRequest = 30 * time.Second

// fieldManager is the name under which the API server remembers what this program wrote.
const fieldManager = "rollout-cli"

// cluster is where the kubeconfig and the flags lead.
type cluster struct {
	config    *rest.Config
	client    client.Client
	namespace string
	// program is how the person called the program, for advice.
	program string
}

func (p *program) connect() (*cluster, error) {
	loader := p.flags.ToRawKubeConfigLoader()
	config, err := p.flags.ToRESTConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) {
			return nil, errNoKubeconfig
		}
		return nil, fmt.Errorf("read the kubeconfig: %w; kubectl config get-contexts lists what there is", err)
	}
	// Without any kubeconfig client-go falls back to a port that nothing listens on.
	if raw, err := loader.RawConfig(); err == nil && len(raw.Clusters) == 0 && *p.flags.APIServer == "" &&
		config.Host == clientcmd.ClusterDefaults.Server {
		return nil, errNoKubeconfig
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the namespace from the kubeconfig: %w", err)
	}
	config.UserAgent = "rollout/" + buildVersion()
	// The server has priorities and fairness of its own; a delay on this side would only make people wait.
	config.QPS = -1
	rollouts, err := client.New(config)
	if err != nil {
		return nil, err
	}
	return &cluster{config: config, client: rollouts, namespace: namespace, program: p.name}, nil
}

var errNoKubeconfig = errors.New("there is no kubeconfig; set KUBECONFIG or give --kubeconfig")

// get reads one Rollout.
func (c *cluster) get(ctx context.Context, name string) (*v1alpha1.Rollout, error) {
	ctx, cancel := context.WithTimeout(ctx, oneRequest)
	defer cancel()
	rollout, err := c.client.Rollouts(c.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, c.explain(fmt.Sprintf("read Rollout %s/%s", c.namespace, name), name, err)
	}
	return rollout, nil
}

// only selects one Rollout by its name.
func only(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()}
}

func (c *cluster) notFound(name string) error {
	return fmt.Errorf("there is no Rollout %s in namespace %s; %s list -A shows all", name, c.namespace, c.program)
}

func (c *cluster) deleted(name string) error {
	return fmt.Errorf("%s/%s was deleted", c.namespace, name)
}

// explain turns what came back from a request into what a person can do about it.
func (c *cluster) explain(attempt, name string, err error) error {
	var network net.Error
	var transport *url.Error
	switch {
	case kindMissing(err):
		return fmt.Errorf("this cluster (%s) has no Rollout kind; install it with make install "+
			"in a checkout of https://github.com/rollout-dev/rollout", c.config.Host)
	case apierrors.IsNotFound(err) && name != "":
		return c.notFound(name)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; kubectl auth can-i --list -n %s shows what you may do", attempt, err, c.namespace)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the cluster (%s) does not accept your credentials: %w; sign in again or choose another --context",
			attempt, c.config.Host, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network), errors.As(err, &transport):
		return fmt.Errorf("%s: no connection to the cluster at %s: %w; check --context and --kubeconfig", attempt, c.config.Host, err)
	default:
		return fmt.Errorf("%s: %w", attempt, err)
	}
}

// kindMissing says whether the server does not know the resource at all. It answers 404 then as it does for a missing
// object, but with a page instead of a status.
func kindMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(cause metav1.StatusCause) bool {
		return cause.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// person is who uses the program, as far as it knows: whom they act as, the user of the kubeconfig, or that of the machine.
func (p *program) person() string {
	if as := *p.flags.Impersonate; as != "" {
		return as
	}
	if raw, err := p.flags.ToRawKubeConfigLoader().RawConfig(); err == nil {
		current := raw.CurrentContext
		if *p.flags.Context != "" {
			current = *p.flags.Context
		}
		if *p.flags.AuthInfoName != "" {
			return *p.flags.AuthInfoName
		}
		if kubeContext, there := raw.Contexts[current]; there && kubeContext.AuthInfo != "" {
			return kubeContext.AuthInfo
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

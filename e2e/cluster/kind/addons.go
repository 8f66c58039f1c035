package kind

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"text/template"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollout-dev/rollout/e2e/cluster/image"
	"github.com/rollout-dev/rollout/e2e/cluster/parts"
	"github.com/rollout-dev/rollout/e2e/cluster/state"
)

const (
	traefikNamespace    = "traefik"
	monitoringNamespace = "monitoring"
)

//go:embed manifests
var manifests embed.FS

// addonImage is an image of a part that runs as pods.
type addonImage struct{ ref, archive string }

// addonImages are those of Traefik and Prometheus.
type addonImages struct{ traefik, prometheus addonImage }

func (c *cluster) buildAddonImages(ctx context.Context) (addonImages, error) {
	programs, err := parts.Build(ctx, c.progress, parts.Traefik, parts.Prometheus)
	if err != nil {
		return addonImages{}, err
	}
	var images addonImages
	if images.traefik, err = buildAddonImage(parts.Traefik, programs[parts.Traefik]); err != nil {
		return images, err
	}
	images.prometheus, err = buildAddonImage(parts.Prometheus, programs[parts.Prometheus])
	return images, err
}

func buildAddonImage(name parts.Name, program string) (addonImage, error) {
	version, err := parts.Version(name)
	if err != nil {
		return addonImage{}, err
	}
	// Beside the program, whose folder stands for exactly this build of it.
	img := addonImage{ref: "rollout-kind/" + string(name) + ":" + version, archive: program + ".tar"}
	if isFile(img.archive) {
		return img, nil
	}
	return img, image.Build(img.archive, img.ref, program, image.Options{})
}

// settings are what the manifests leave open.
type settings struct {
	TraefikNamespace, MonitoringNamespace                string
	TraefikImage, PrometheusImage                        string
	GatewayNamespace, GatewayName                        string
	GatewayNodePort, MetricsNodePort, PrometheusNodePort int
	ScrapeInterval, ScrapeTimeout                        string
	IstioNamespace, IstiodImage                          string
}

// longestScrape bounds a scrape where the interval is long.
const longestScrape = 5 * time.Second

func settingsFor(opts state.Options, images addonImages) settings {
	return settings{
		TraefikNamespace: traefikNamespace, MonitoringNamespace: monitoringNamespace,
		TraefikImage: images.traefik.ref, PrometheusImage: images.prometheus.ref,
		GatewayNamespace: state.GatewayNamespace, GatewayName: state.GatewayName,
		GatewayNodePort: gatewayNodePort, MetricsNodePort: metricsNodePort, PrometheusNodePort: prometheusNodePort,
		ScrapeInterval: promDuration(opts.ScrapeInterval), ScrapeTimeout: promDuration(min(opts.ScrapeInterval, longestScrape)),
	}
}

// promDuration writes a duration in Prometheus' own notation, which knows no fractions.
func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// installAddons puts the Gateway API, Traefik and Prometheus into the cluster; the images travel while the definitions are applied.
func (c *cluster) installAddons(ctx context.Context, k *client, images addonImages) error {
	work, working := errgroup.WithContext(ctx)
	work.Go(func() error {
		for _, img := range []addonImage{images.traefik, images.prometheus} {
			if err := c.load(working, img.archive); err != nil {
				return err
			}
		}
		return nil
	})
	work.Go(func() error {
		if err := k.applyTemplate(working, "coredns.yaml", settings{}); err != nil {
			return err
		}
		return c.applyGatewayAPI(working, k)
	})
	if err := work.Wait(); err != nil {
		return err
	}
	for _, name := range []string{"traefik.yaml", "prometheus.yaml"} {
		if err := k.applyTemplate(ctx, name, settingsFor(c.st.Options, images)); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) applyTemplate(ctx context.Context, name string, with settings) error {
	manifest, err := render(name, with)
	if err != nil {
		return err
	}
	return c.apply(ctx, manifest)
}

func render(name string, with settings) ([]byte, error) {
	parsed, err := template.New(name).Option("missingkey=error").ParseFS(manifests, "manifests/"+name)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, with); err != nil {
		return nil, fmt.Errorf("fill in manifest %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// channel is the one that a definition of the Gateway API is taken from: the standard one, but for the kinds that Traefik reads in version
// v1alpha2, which is in both of them and served by the experimental one alone.
func channel(file string) string {
	switch file {
	case "gateway.networking.k8s.io_tcproutes.yaml", "gateway.networking.k8s.io_tlsroutes.yaml":
		return "experimental"
	}
	return "standard"
}

// applyGatewayAPI applies the definitions of the Gateway API in the version this program is built with.
func (c *cluster) applyGatewayAPI(ctx context.Context, k *client) error {
	module, err := c.moduleFolder(ctx, gatewayAPIModule)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(module, "config", "crd", "standard", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find the definitions of the Gateway API in %s: %d files, %w", module, len(files), err)
	}
	slices.Sort(files)
	for _, file := range files {
		name := filepath.Base(file)
		if name == "kustomization.yaml" {
			continue
		}
		manifest, err := os.ReadFile(filepath.Join(module, "config", "crd", channel(name), name))
		if err != nil {
			return fmt.Errorf("read a definition of the Gateway API: %w", err)
		}
		if err := k.apply(ctx, manifest); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

var manifests = filepath.Join("..", "..", "deploy", "kustomize")

func TestAnInstallationWithoutOptionsIsTheKustomizationAsItIs(t *testing.T) {
	want, err := build(t, manifests).AsYaml()
	require.NoError(t, err)
	got, err := overlay(t, options{manifests: manifests}).AsYaml()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestTheOptionsReachTheController(t *testing.T) {
	objects := overlay(t, options{
		manifests:  manifests,
		image:      "registry.example:5000/team/controller:v1.2.3",
		prometheus: "http://prometheus.example:9090",
	})
	controller := controllerPod(t, objects).Containers[0]
	require.Equal(t, "registry.example:5000/team/controller:v1.2.3", controller.Image)
	require.Contains(t, controller.Args, "--prometheus-address=$(PROMETHEUS_ADDRESS)")

	address := controller.Env[0].ValueFrom.ConfigMapKeyRef
	var settings corev1.ConfigMap
	find(t, objects, "ConfigMap", address.Name, &settings)
	require.Equal(t, "http://prometheus.example:9090", settings.Data[address.Key])
}

func TestAnImageWithoutATagIsRefused(t *testing.T) {
	for _, image := range []string{"controller", "registry.example:5000/controller", "controller:"} {
		err := writeOverlay(t.TempDir(), options{manifests: manifests, image: image})
		require.ErrorContains(t, err, "write it as name:tag", image)
	}
}

func TestTheControllerRunsWithoutPrivileges(t *testing.T) {
	pod := controllerPod(t, build(t, manifests))
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
	container := pod.Containers[0].SecurityContext
	require.True(t, *container.ReadOnlyRootFilesystem)
	require.False(t, *container.AllowPrivilegeEscalation)
	require.Equal(t, []corev1.Capability{"ALL"}, container.Capabilities.Drop)
}

func TestTheControllerMayNotDoEverythingToAnything(t *testing.T) {
	var role rbacv1.ClusterRole
	find(t, build(t, manifests), "ClusterRole", controllerName, &role)
	require.NotEmpty(t, role.Rules)
	for _, rule := range role.Rules {
		require.NotContains(t, rule.APIGroups, "*")
		require.NotContains(t, rule.Resources, "*")
		require.NotContains(t, rule.Verbs, "*")
		require.NotContains(t, rule.Resources, "secrets")
	}
}

func overlay(t *testing.T, o options) resmap.ResMap {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, writeOverlay(dir, o))
	return build(t, dir)
}

func build(t *testing.T, dir string) resmap.ResMap {
	t.Helper()
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	require.NoError(t, err)
	return objects
}

func controllerPod(t *testing.T, objects resmap.ResMap) corev1.PodSpec {
	t.Helper()
	var deployment appsv1.Deployment
	find(t, objects, "Deployment", controllerName, &deployment)
	return deployment.Spec.Template.Spec
}

func find(t *testing.T, objects resmap.ResMap, kind, name string, into any) {
	t.Helper()
	for _, object := range objects.Resources() {
		if object.GetKind() == kind && object.GetName() == name {
			text, err := object.AsYAML()
			require.NoError(t, err)
			require.NoError(t, yaml.UnmarshalStrict(text, into))
			return
		}
	}
	require.Fail(t, "missing object", "%s %s", kind, name)
}

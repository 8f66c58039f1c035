package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func TestSetImageChangesTheImagesAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		images  []string
		changed string
		replace []string
	}{
		"a container":       {[]string{"app=shop/checkout:v9"}, "app from shop/checkout:v4 to shop/checkout:v9", []string{"shop/checkout:v4", "shop/checkout:v9"}},
		"an init container": {[]string{"migrate=m:1"}, "migrate from shop/migrate:v4 to m:1", []string{"shop/migrate:v4", "m:1"}},
		"two containers": {[]string{"proxy=p:2", "app=a@sha256:1"}, "app from shop/checkout:v4 to a@sha256:1, proxy from shop/proxy:1 to p:2",
			[]string{"shop/checkout:v4", "a@sha256:1", "shop/proxy:1", "p:2"}},
		"all containers": {[]string{"*=all:1"}, "app from shop/checkout:v4 to all:1, proxy from shop/proxy:1 to all:1, migrate from shop/migrate:v4 to all:1",
			[]string{"shop/checkout:v4", "all:1", "shop/proxy:1", "all:1", "shop/migrate:v4", "all:1"}},
		"one that has it already": {[]string{"app=shop/checkout:v4", "proxy=p:2"}, "proxy from shop/proxy:1 to p:2", []string{"shop/proxy:1", "p:2"}},
	} {
		want := strings.NewReplacer(c.replace...).Replace(string(written("v4").Raw()))
		t.Run(name, func(t *testing.T) {
			s := past(t, healthy(), "v4")
			got := invoke(t, s, append([]string{"set", "image", "rollout/checkout"}, c.images...)...)
			require.Equal(t, result{0, "checkout: changed in Rollout checkout: " + c.changed + "\n", ""}, got)
			require.JSONEq(t, want, string(s.stored().Spec.Template.Raw()))
			require.Nil(t, requestOf(t, s))

			withDeployment(t, s, healthy())
			got = invoke(t, s, append([]string{"set", "image", "checkout"}, c.images...)...)
			require.Equal(t, result{0, "checkout: changed in Deployment web: " + c.changed + "\n", ""}, got)
			require.JSONEq(t, want, deploymentTemplate(t, s))
			require.Equal(t, true, s.deployments["web"]["spec"].(map[string]any)["newerThanThisProgram"])
		})
	}
}

func TestSetImageOfAContainerWithoutOneAddsIt(t *testing.T) {
	s := past(t, healthy(), "v4")
	s.change(func(r *v1alpha1.Rollout) {
		r.Spec.Template = v1alpha1.NewPodTemplate([]byte(`{"spec":{"containers":[{"name":"app"}]}}`))
	})
	require.Equal(t, "checkout: changed in Rollout checkout: app from none to a:1\n", invoke(t, s, "set", "image", "checkout", "app=a:1").out)
	require.JSONEq(t, `{"spec":{"containers":[{"name":"app","image":"a:1"}]}}`, string(s.stored().Spec.Template.Raw()))
}

func TestSetImageThatIsThereAlreadyChangesNothing(t *testing.T) {
	s := past(t, healthy(), "v4")
	require.Equal(t, result{0, "checkout: nothing changed, the template of Rollout checkout has these images already\n", ""},
		invoke(t, s, "set", "image", "checkout", "app=shop/checkout:v4"))
	require.Zero(t, s.patches)
}

func TestSetImageThatMakesNoSenseIsNotSent(t *testing.T) {
	for want, args := range map[string][]string{
		"rollout set image needs the NAME of a Rollout before CONTAINER=IMAGE; rollout list shows them":       {"app=a:1"},
		"rollout set image checkout needs CONTAINER=IMAGE, for example app=registry.example.com/app:2":        {"checkout"},
		`"app" is not CONTAINER=IMAGE, for example app=registry.example.com/app:2`:                            {"checkout", "app"},
		`"app=" is not CONTAINER=IMAGE, for example app=registry.example.com/app:2`:                           {"checkout", "app="},
		`the image of app ("a b") contains white space`:                                                       {"checkout", "app=a b"},
		"container app is given two images (a:1, a:2); name it once":                                          {"checkout", "app=a:1", "app=a:2"},
		"* stands for all containers; name no others beside it":                                               {"checkout", "*=a:1", "app=a:1"},
		"there is no container ap in the template of Rollout checkout; there are: app, proxy, migrate (init)": {"checkout", "ap=a:1"},
		"there is no Rollout nobody in namespace shop; rollout list -A shows all":                             {"nobody", "app=a:1"},
	} {
		s := past(t, healthy(), "v4")
		require.Equal(t, result{1, "", "error: " + want + "\n"}, invoke(t, s, append([]string{"set", "image"}, args...)...))
		require.Zero(t, s.patches)
	}
	s := newAPIServer(t)
	s.put(healthy())
	require.Contains(t, invoke(t, s, "set", "image", "checkout", "*=a:1").errOut, "there is no container * in the template of Rollout checkout; there are: none")
}

func TestSetImageMeetsSomebodyElsesChangeOfTheTemplate(t *testing.T) {
	s := past(t, healthy(), "v4")
	tries := 0
	s.beforePatch = func(s *apiServer) {
		if tries++; tries == 1 {
			s.change(func(r *v1alpha1.Rollout) {
				r.Spec.Template = v1alpha1.NewPodTemplate([]byte(`{"spec":{"containers":[{"name":"new","image":"n:1"},{"name":"app","image":"shop/checkout:v5"}]}}`))
			})
		}
	}
	got := invoke(t, s, "set", "image", "checkout", "app=a:1")
	require.Equal(t, result{0, "checkout: changed in Rollout checkout: app from shop/checkout:v5 to a:1\n", ""}, got)
	require.JSONEq(t, `{"spec":{"containers":[{"name":"new","image":"n:1"},{"name":"app","image":"a:1"}]}}`,
		string(s.stored().Spec.Template.Raw()))
}

func TestSetImageOfATemplateThatNeverStandsStillGivesUp(t *testing.T) {
	s := past(t, healthy(), "v4")
	tries := 0
	s.beforePatch = func(s *apiServer) {
		tries++
		s.change(func(r *v1alpha1.Rollout) { r.Spec.Template = written("w" + strings.Repeat("x", tries)) })
	}
	got := invoke(t, s, "set", "image", "checkout", "app=a:1")
	require.Equal(t, exitFailure, got.code)
	require.Contains(t, got.errOut, "the template of checkout was not changed: something changed between reading and writing 10 times in a row")
}

func TestContainersAreCompleted(t *testing.T) {
	s := past(t, stepping(), "v4")
	require.Equal(t, "checkout\tPaused\n:4\n", complete(t, s, "set", "image", ""))
	require.Equal(t, "app=\tshop/checkout:v4\nproxy=\tshop/proxy:1\nmigrate=\tshop/migrate:v4\n:6\n", complete(t, s, "set", "image", "checkout", ""))
	require.Equal(t, "proxy=\tshop/proxy:1\nmigrate=\tshop/migrate:v4\n:6\n", complete(t, s, "set", "image", "checkout", "app=x", ""))
	require.Equal(t, ":1\n", complete(t, s, "set", "image", "nobody", ""))
	require.Contains(t, complete(t, s, "set", ""), "image\tChange the images")
}

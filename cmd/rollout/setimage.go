package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/rollout-dev/rollout/rollout/api/v1alpha1"
)

func (p *program) setCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Change the template of a Rollout",
		Args:  cobra.ArbitraryArgs,
		RunE:  p.onlySubcommands,
	}
	cmd.AddCommand(p.setImageCommand())
	return cmd
}

func (p *program) setImageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "image NAME CONTAINER=IMAGE...",
		Short: "Change the images of containers, which starts a release",
		Long: `Change the images of containers and init containers in the template, which starts a release of the new revision. * stands
for all containers. Everything else in the template stays as it was written.

With spec.workloadRef the template is that of the Deployment.`,
		Example: `  rollout set image checkout app=registry.example.com/checkout:2
  rollout set image checkout app=registry.example.com/checkout:2 proxy=registry.example.com/proxy:7`,
		Args:              p.nameAndImages,
		ValidArgsFunction: p.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			images, err := readImages(args[1:])
			if err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			return p.setImages(cmd.Context(), c, nameOf(args[0]), images)
		},
	}
}

func (p *program) nameAndImages(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 || strings.Contains(args[0], "="):
		return fmt.Errorf("%s needs the NAME of a Rollout before CONTAINER=IMAGE; %s list shows them", cmd.CommandPath(), p.name)
	case len(args) == 1:
		return fmt.Errorf("%s %s needs CONTAINER=IMAGE, for example app=registry.example.com/app:2", cmd.CommandPath(), args[0])
	}
	return nil
}

// everyContainer stands for all containers in place of a name.
const everyContainer = "*"

// readImages reads arguments such as app=registry.example.com/app:2.
func readImages(args []string) (map[string]string, error) {
	images := map[string]string{}
	for _, arg := range args {
		container, image, ok := strings.Cut(arg, "=")
		_, twice := images[container]
		switch {
		case !ok || container == "" || image == "":
			return nil, fmt.Errorf("%q is not CONTAINER=IMAGE, for example app=registry.example.com/app:2", arg)
		case strings.ContainsFunc(image, unicode.IsSpace):
			return nil, fmt.Errorf("the image of %s (%q) contains white space", container, image)
		case twice:
			return nil, fmt.Errorf("container %s is given two images (%s, %s); name it once", container, images[container], image)
		}
		images[container] = image
	}
	if _, all := images[everyContainer]; all && len(images) > 1 {
		return nil, fmt.Errorf("%s stands for all containers; name no others beside it", everyContainer)
	}
	return images, nil
}

// container is one of a template, with where its image stands.
type container struct {
	name, image string
	init        bool
	// path of the container in the template, as a JSON pointer.
	path string
}

// containersOf are the containers of a template and, after them, its init containers.
func containersOf(template v1alpha1.PodTemplate) []container {
	type entry struct{ Name, Image string }
	var parsed struct {
		Spec struct{ Containers, InitContainers []entry }
	}
	// What is no template has no containers; whoever needs one says so.
	if json.Unmarshal(template.Raw(), &parsed) != nil {
		return nil
	}
	var all []container
	for i, c := range parsed.Spec.Containers {
		all = append(all, container{name: c.Name, image: c.Image, path: fmt.Sprintf("/spec/containers/%d", i)})
	}
	for i, c := range parsed.Spec.InitContainers {
		all = append(all, container{name: c.Name, image: c.Image, init: true, path: fmt.Sprintf("/spec/initContainers/%d", i)})
	}
	return all
}

// setImages changes the images and says what it changed.
func (p *program) setImages(ctx context.Context, c *cluster, name string, images map[string]string) error {
	var changed []string
	var rollout *v1alpha1.Rollout
	var in origin
	err := c.rewrite(ctx, name, func(r *v1alpha1.Rollout, o origin) ([]operation, error) {
		rollout, in = r, o
		var operations []operation
		var err error
		operations, changed, err = newImages(o, images)
		return operations, err
	})
	switch {
	case err != nil:
		return err
	case len(changed) == 0:
		_, err := fmt.Fprintf(p.streams.Out, "%s: nothing changed, the template of %s has these images already\n", name, in)
		return err
	}
	p.noteGitOps(rollout, in)
	p.notePaused(rollout)
	_, err = fmt.Fprintf(p.streams.Out, "%s: changed in %s: %s\n", name, in, strings.Join(changed, ", "))
	return err
}

// newImages are the operations that give containers new images, and what they change in words. They touch the images
// alone, and only if these are still the ones that were read.
func newImages(o origin, images map[string]string) (operations []operation, changed []string, err error) {
	containers := containersOf(o.template)
	for _, name := range slices.Sorted(maps.Keys(images)) {
		named := func(c container) bool { return c.name == name }
		if len(containers) == 0 || name != everyContainer && !slices.ContainsFunc(containers, named) {
			return nil, nil, fmt.Errorf("there is no container %s in the template of %s; there are: %s", name, o, containerNames(containers))
		}
	}
	for _, c := range containers {
		image, wanted := images[c.name]
		if all, every := images[everyContainer]; every {
			image, wanted = all, true
		}
		if !wanted || image == c.image {
			continue
		}
		path := templatePath + c.path
		operations = append(operations, operation{"test", path + "/name", c.name})
		if c.image != "" {
			operations = append(operations, operation{"test", path + "/image", c.image})
		}
		operations = append(operations, operation{"add", path + "/image", image})
		changed = append(changed, fmt.Sprintf("%s from %s to %s", c.name, orNone(c.image), image))
	}
	return operations, changed, nil
}

func containerNames(containers []container) string {
	var names []string
	for _, c := range containers {
		name := c.name
		if c.init {
			name += " (init)"
		}
		names = append(names, name)
	}
	return orNone(strings.Join(names, ", "))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/rollout-dev/rollout/cmd/rollout/internal/view"
)

// environment is everything of the process that commands use.
type environment struct {
	// args begin with the name the program was called by.
	args    []string
	streams genericiooptions.IOStreams
	now     func() time.Time
	getenv  func(string) string
	// size is how many columns and lines the output shows; false if it is not a terminal.
	size func() (columns, lines int, ok bool)
	// retry is how long to wait before a lost connection is made again, at first.
	retry time.Duration
}

// program is what all commands share.
type program struct {
	environment
	// name is how a person calls the program: rollout, or kubectl and the name of the plugin.
	name  string
	flags *genericclioptions.ConfigFlags
}

// run carries out the command that the arguments name, and returns its exit code.
func run(ctx context.Context, env environment) int {
	name, args := calledAs(env.args)
	flags := genericclioptions.NewConfigFlags(true)
	// The cache is one of discovery, which nothing here needs.
	flags.CacheDir = nil
	p := &program{environment: env, name: name, flags: flags}

	root := p.command()
	root.SetArgs(args)
	root.SetIn(env.streams.In)
	root.SetOut(env.streams.Out)
	root.SetErr(env.streams.ErrOut)
	return p.exit(root.ExecuteContext(ctx))
}

// calledAs derives from the arguments how a person called the program. kubectl-ro is called as kubectl ro, and kubectl
// turns a - in the name of a plugin's command into a _ of its file. To complete arguments kubectl runs
// kubectl_complete-ro with what has been typed.
func calledAs(args []string) (name string, rest []string) {
	binary := strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	if plugin, ok := strings.CutPrefix(binary, "kubectl_complete-"); ok {
		return pluginName(plugin), append([]string{cobra.ShellCompRequestCmd}, args[1:]...)
	}
	if plugin, ok := strings.CutPrefix(binary, "kubectl-"); ok {
		return pluginName(plugin), args[1:]
	}
	return "rollout", args[1:]
}

func pluginName(plugin string) string {
	return "kubectl " + strings.ReplaceAll(strings.ReplaceAll(plugin, "-", " "), "_", "-")
}

// command returns the whole tree of commands.
func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "rollout",
		Short: "Watch and steer Rollouts",
		Long: `Watch and steer Rollouts: releases that move a new version into production step by step, and take it back by themselves
when the metrics say it is bad.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: p.name},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          p.onlySubcommands,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	p.flags.AddFlags(root.PersistentFlags())
	p.completeFlags(root)
	p.addCommands(root)
	return root
}

// addCommands adds the verbs in groups, by what a person is after. Each has a file of its own.
func (p *program) addCommands(root *cobra.Command) {
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"look", "See what happens:", []*cobra.Command{p.getCommand(), p.listCommand(), p.statusCommand(), p.explainCommand(), p.analyzeCommand()}},
		{"steer", "Steer a release:", []*cobra.Command{p.promoteCommand(), p.abortCommand(), p.retryCommand(), p.pauseCommand(), p.resumeCommand()}},
		{"change", "Change what runs:", []*cobra.Command{p.setCommand(), p.undoCommand(), p.restartCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = group.id
			root.AddCommand(cmd)
		}
	}
	root.AddCommand(p.versionCommand())
	p.nameExamples(root)
}

// nameExamples makes the examples of all commands call the program as the person does.
func (p *program) nameExamples(cmd *cobra.Command) {
	cmd.Example = strings.ReplaceAll(cmd.Example, "  rollout ", "  "+p.name+" ")
	cmd.Example = strings.ReplaceAll(cmd.Example, "&& rollout ", "&& "+p.name+" ")
	for _, below := range cmd.Commands() {
		p.nameExamples(below)
	}
}

// onlySubcommands is what a command does that only holds others.
func (p *program) onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
		return fmt.Errorf("there is no command %q; did you mean %s %s?", args[0], cmd.CommandPath(), meant[0])
	}
	return fmt.Errorf("there is no command %q; %s --help lists them", args[0], cmd.CommandPath())
}

// style is how output is set off: with colors on a terminal, unless the user wants none (https://no-color.org).
func (p *program) style() view.Style {
	_, _, terminal := p.size()
	return view.Style{Color: terminal && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"}
}

// oneName accepts exactly one name of a Rollout, alone or as kubectl prints it, after its kind and a slash.
func (p *program) oneName(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("%s needs the NAME of a Rollout; %s list shows them", cmd.CommandPath(), p.name)
	case len(args) > 1:
		return fmt.Errorf("%s takes one NAME, not %d (%s)", cmd.CommandPath(), len(args), strings.Join(args, ", "))
	}
	return nil
}

func nameOf(arg string) string { return arg[strings.LastIndex(arg, "/")+1:] }

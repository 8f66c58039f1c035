package image

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Commands are the subcommands of this package: `image`.
func Commands() []*cobra.Command {
	var binary, ref, out string
	var opts Options
	build := &cobra.Command{
		Use:   "image --binary FILE --ref NAME:TAG --out FILE.tar",
		Short: "Write a container image with one static binary as an archive, without Docker and without a registry",
		Example: "  CGO_ENABLED=0 go build -o bin/app ./cmd/app\n" +
			"  cluster image --binary bin/app --ref example.com/app:dev --out app.tar\n" +
			"  cluster load --name demo app.tar",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if binary == "" || ref == "" || out == "" {
				return errors.New("--binary, --ref and --out are all needed")
			}
			if err := checkStatic(binary); err != nil {
				return err
			}
			if err := Build(out, ref, binary, opts); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", ref, out)
			return nil
		},
	}
	flags := build.Flags()
	flags.StringVar(&binary, "binary", "", "static Linux binary to run")
	flags.StringVar(&ref, "ref", "", "reference of the image, e.g. example.com/app:dev")
	flags.StringVar(&out, "out", "", "archive to write")
	flags.StringVar(&opts.User, "user", Nonroot, "user to run as, uid:gid")
	flags.StringVar(&opts.CACertificates, "ca-certificates", "", "PEM bundle to put into the image, for TLS clients")
	return []*cobra.Command{build}
}

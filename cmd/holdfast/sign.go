package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/flash/signature"
	"holdfast/ops"
	"holdfast/ops/sign"
)

// keyFlags name a secret key.
type keyFlags struct{ key, password string }

func (k *keyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.key, "key", "", "`FILE` with a secret key of minisign")
	cmd.Flags().StringVar(&k.password, "password-file", "", "`FILE` whose first line is the key's password")
}

// read reads the key, and asks for its password when it has one.
func (k keyFlags) read(ctx context.Context, a *app) (signature.Secret, error) {
	text, err := os.ReadFile(k.key)
	if err != nil {
		return signature.Secret{}, invalid(err)
	}
	password := ""
	if signature.IsEncrypted(text) {
		if password, err = k.ask(ctx, a); err != nil {
			return signature.Secret{}, err
		}
	}
	secret, err := signature.ParseSecret(text, password)
	if err != nil {
		return signature.Secret{}, invalid(fmt.Errorf("%s: %w", k.key, err))
	}
	return secret, nil
}

func (k keyFlags) ask(ctx context.Context, a *app) (string, error) {
	if k.password != "" {
		text, err := os.ReadFile(k.password)
		line, _, _ := bytes.Cut(text, []byte("\n"))
		return strings.TrimSuffix(string(line), "\r"), invalid(err)
	}
	if !isTerminal(a.in) {
		return "", &ops.Error{Kind: ops.NotConfirmed, Err: errors.New("the key has a password, and there is no terminal to ask for it"),
			Hint: "give it by --password-file FILE"}
	}
	return readPassword(ctx, a.in, a.err, "Password of "+k.key+": ")
}

func (a *app) imageSignCommand() *cobra.Command {
	var (
		r   sign.Request
		key keyFlags
	)
	cmd := &cobra.Command{
		Use:   "sign --key K ARCHIVE|DIR|SHA256SUMS",
		Short: "sign an image, as minisign does; model and version are signed too",
		Long: `Sign the SHA256SUMS of an image archive, which is written again with the signature
in it; or of the folder of an image, or a SHA256SUMS alone, to which the signature
is put beside. All the hashes are checked before, as far as the files are there.`,
		Example: `  holdfast image sign --key release.key --model FW-2 image.tgz
  minisign -G -p release.pub -s release.key     makes a pair of keys`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if r.Secret, err = key.read(cmd.Context(), a); err != nil {
				return err
			}
			r.Input = args[0]
			p := &progress{out: a.err, live: isTerminal(a.err)}
			plan, err := r.Plan(cmd.Context(), p)
			p.done()
			if err != nil {
				return err
			}
			return a.carryOut(cmd.Context(), plan)
		},
	}
	key.add(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&r.Output, "output", "o", "", "`FILE` to write, instead of the archive itself or SHA256SUMS.minisig")
	flags.BoolVar(&r.Force, "force", false, "replace an existing file")
	flags.StringVar(&r.Model, "model", "", "`MODEL` that the image is for: no other takes it")
	flags.StringVar(&r.Version, "version", "", "`VERSION`, where no kernel.ver says it")
	require(cmd, "key")
	return cmd
}

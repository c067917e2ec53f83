package main

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/flash/signature"
	"holdfast/initramfs"
)

// trustFlags say whom a console will believe.
type trustFlags struct {
	keys         []string
	model, floor string
	require      bool
}

func (f *trustFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keys, "trust-key", nil, "public key `FILE` of minisign whose images to believe; may be repeated")
	flags.StringVar(&f.model, "model", "", "`MODEL` of the machine: no image signed for another is installed")
	flags.StringVar(&f.floor, "min-version", "", "lowest `VERSION` that is installed")
	flags.BoolVar(&f.require, "require-signature", false, "boot and install nothing that is not signed")
}

// texts are the files of an archive that say so. Everything is checked here: what the console could not
// read, it would meet on site.
func (f *trustFlags) texts() ([]initramfs.Text, error) {
	var texts []initramfs.Text
	add := func(name, content string) {
		texts = append(texts, initramfs.Text{Dest: path.Join(initramfs.TrustPath, name), Content: content})
	}
	for _, file := range f.keys {
		name := strings.TrimSuffix(filepath.Base(file), ".pub")
		key, err := signature.ReadKey(file, name)
		if err != nil {
			return nil, invalid(err)
		}
		add(path.Join(signature.KeysDir, name+".pub"), key.String()+"\n")
	}
	for _, word := range []struct{ flag, file, value string }{
		{"model", signature.ModelFile, f.model}, {"min-version", signature.FloorFile, f.floor},
	} {
		if word.value == "" {
			continue
		}
		if !signature.IsWord(word.value) {
			return nil, usage("--%s %q: want one printable word", word.flag, word.value)
		}
		add(word.file, word.value+"\n")
	}
	if f.require {
		if len(f.keys) == 0 {
			return nil, usage("--require-signature: without a --trust-key nothing would boot")
		}
		add(signature.RequireFile, "")
	}
	return texts, nil
}

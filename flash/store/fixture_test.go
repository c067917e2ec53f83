package store

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/flash"
	"holdfast/flash/signature"
)

// build gives the files of an image of a version, small or large, with a manifest.
func build(version string, size int) map[string]string {
	files := map[string]string{
		"kernel.img": version + strings.Repeat("k", size),
		"kernel.arg": "image=" + version + "\n",
		"kernel.ver": version + "\n",
	}
	sums := ""
	for _, name := range []string{"kernel.arg", "kernel.img", "kernel.ver"} {
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(files[name])), name)
	}
	files["SHA256SUMS"] = sums
	return files
}

// id is the ID of such an image.
func id(version string, size int) flash.ID {
	return sha256.Sum256([]byte(build(version, size)["SHA256SUMS"]))
}

var members = []string{"kernel.img", "kernel.arg", "kernel.ver", "SHA256SUMS"}

// newFlash makes a flash with these images in these directories.
func newFlash(t *testing.T, dir string, images map[string]string) {
	t.Helper()
	for _, d := range []string{"system", "cfg"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, version := range images {
		place(t, filepath.Join(dir, "system", name), build(version, 3000))
	}
}

func place(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// holds is what is in the directories of a flash, by versions: "active=v2 backup=v1".
func holds(t *testing.T, dir string) string {
	t.Helper()
	f, err := flash.Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, images := range [][]flash.Image{f.Slots, f.Staged, f.Left} {
		for _, img := range images {
			if !img.Present {
				continue
			}
			v, err := img.Verify(t.Context(), os.DirFS(dir), signature.Trust{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			what := img.Version
			if v.Integrity != flash.Intact {
				what = v.Integrity.String()
			}
			all = append(all, img.Name+"="+what)
		}
	}
	return strings.Join(all, " ")
}

func open(t *testing.T, dir string, o Options) *Tree {
	t.Helper()
	tree, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

func stage(t *testing.T, tree *Tree, files map[string]string) *Incoming {
	t.Helper()
	in, err := tree.Stage()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range members {
		put(t, in, name, files[name])
	}
	if err := in.Seal(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return in
}

func put(t *testing.T, in *Incoming, name, text string) {
	t.Helper()
	w, err := in.Create(name, int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func pair(active, backup string) (p flash.Pair) {
	if active != "" {
		p.Active = id(active, 3000)
	}
	if backup != "" {
		p.Backup = id(backup, 3000)
	}
	return p
}

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/ops"
	"holdfast/ops/mkdisk"
)

func (a *app) diskCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "disk", Short: "make bootable disk images", Args: noCommand, RunE: help}
	cmd.AddCommand(a.diskCreateCommand())
	return cmd
}

func (a *app) diskCreateCommand() *cobra.Command {
	var (
		r      mkdisk.Request
		loader string
		images []string
		size   string
	)
	cmd := &cobra.Command{
		Use:   "create --kernel K --console C --image SLOT=ARCHIVE... -o disk.img",
		Short: "make a bootable disk image with a real GRUB, the console and images",
		Example: `  holdfast disk create -o disk.img --loader grub-legacy --kernel vmlinuz --console console.cpio.zst \
      --image active=a.tgz --image backup=b.tgz --default maintenance`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			r.Loader = mkdisk.Loader(loader)
			if r.Images, err = parseImages(images); err != nil {
				return err
			}
			if r.Size, err = parseSize(size); err != nil {
				return err
			}
			p, err := r.Plan(cmd.Context())
			if err != nil {
				return err
			}
			return a.carryOut(cmd.Context(), p)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&r.Output, "output", "o", "", "disk image `FILE` to write")
	flags.StringVar(&loader, "loader", string(mkdisk.GRUBLegacy), "boot loader: grub-legacy or grub2")
	flags.StringVar(&r.Kernel, "kernel", "", "maintenance kernel, a bzImage `FILE`")
	flags.StringVar(&r.Console, "console", "", "its initramfs, a `FILE` made by initramfs create")
	flags.StringArrayVar(&images, "image", nil, "`SLOT=ARCHIVE`: active, backup or factory; may be repeated")
	flags.StringVar(&r.Default, "default", "", "what GRUB boots by itself: active, backup or maintenance (default active)")
	flags.StringVar(&r.ConsoleArgs, "console-args", "", "`WORDS` for the maintenance kernel (default \""+mkdisk.DefaultConsoleArgs+"\")")
	flags.StringVar(&r.SystemArgs, "system-args", "", "`WORDS` for every image's kernel on this disk: the text of cfg/system.arg")
	flags.IntVar(&r.MenuTimeout, "menu-timeout", 2, "`SECONDS` that GRUB waits at its menu, 0 for not at all")
	flags.StringVar(&size, "size", "256M", "`SIZE` of the disk, in bytes or with K, M or G")
	flags.BoolVar(&r.Force, "force", false, "replace an existing file")
	require(cmd, "output", "kernel", "console")
	return cmd
}

func usage(format string, args ...any) error {
	return &ops.Error{Kind: ops.Usage, Err: fmt.Errorf(format, args...)}
}

func parseImages(args []string) (map[string]string, error) {
	images := map[string]string{}
	for _, arg := range args {
		slot, archive, ok := strings.Cut(arg, "=")
		if !ok || archive == "" {
			return nil, usage("--image %s: want SLOT=ARCHIVE", arg)
		}
		if images[slot] != "" {
			return nil, usage("--image %s: the slot %s is given twice", arg, slot)
		}
		images[slot] = archive
	}
	return images, nil
}

// units are the suffixes of a size; each is 1024 of the one before.
var units = map[byte]int64{'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}

// parseSize reads a number of bytes with an optional unit.
func parseSize(s string) (int64, error) {
	digits, unit := s, int64(1)
	if s != "" && units[s[len(s)-1]] != 0 {
		digits, unit = s[:len(s)-1], units[s[len(s)-1]]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err == nil && (n <= 0 || n > math.MaxInt64/unit) {
		err = errors.New("out of range")
	}
	if err != nil {
		return 0, usage("--size %q: want a number, with K, M or G: 256M", s)
	}
	return n * unit, nil
}

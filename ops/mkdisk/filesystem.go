package mkdisk

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"holdfast/ops"
)

// fileSystem is an ext2 file system to be made on a partition.
type fileSystem struct {
	label, uuid string
	partition   region
}

// make formats the partition within the disk image and fills it from the folder from.
//
// GRUB Legacy reads 128-byte inodes only and knows no features but these; blocks of 4 KiB and few
// inodes keep the tables small. 2048 inodes are plenty for some folders of ten files.
func (f fileSystem) make(ctx context.Context, disk, from string) error {
	if err := settle(from); err != nil {
		return err
	}
	out, err := run(ctx, "", "mke2fs", "-q", "-F", "-t", "ext2", "-b", fmt.Sprint(blockSize), "-I", "128", "-N", "2048", "-m", "0",
		"-O", "none,filetype,sparse_super,large_file,ext_attr,dir_index", "-L", f.label, "-U", f.uuid,
		"-E", fmt.Sprintf("offset=%d,nodiscard,hash_seed=%s,root_owner=0:0", f.partition.start, f.uuid),
		"-d", from, disk, fmt.Sprintf("%dk", f.partition.size>>10))
	if err != nil {
		if strings.Contains(out, "Could not allocate") || strings.Contains(out, "No free space") {
			return &ops.Error{Kind: ops.NoSpace, Op: op, Err: fmt.Errorf("%d MiB are not enough for %s", f.partition.size>>20, f.label), Hint: "give a larger --size"}
		}
		return err
	}
	return f.own(ctx, disk, from)
}

// settle gives every file and folder below dir the same modes and times, as they end in the image.
func settle(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if d.IsDir() {
			mode = 0o755
		}
		return os.Chmod(path, mode)
	})
}

// own gives every file to root: mke2fs copies the owner, and a file of the bench's user 1000 would
// belong to somebody on the appliance. The times go to zero with it, for the same bytes again.
func (f fileSystem) own(ctx context.Context, disk, from string) error {
	var script strings.Builder
	err := filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		name := "/" + strings.TrimPrefix(strings.TrimPrefix(path, from), "/")
		for _, field := range []string{"uid 0", "gid 0", "atime @0", "mtime @0", "ctime @0"} {
			fmt.Fprintf(&script, "sif %s %s\n", name, field)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = run(ctx, script.String(), "debugfs", "-w", "-f", "/dev/stdin", fmt.Sprintf("%s?offset=%d", disk, f.partition.start))
	return err
}

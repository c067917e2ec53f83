package sign

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"holdfast/flash"
	"holdfast/initramfs/compress"
	"holdfast/initramfs/newc"
	"holdfast/ops"
	"holdfast/ops/output"
)

// rewrite copies an archive with the signature directly behind SHA256SUMS, in place of any other, in the
// same form and compression.
func rewrite(ctx context.Context, dst io.Writer, src io.Reader, sig []byte, rep ops.Reporter) error {
	packed := bufio.NewReader(src)
	method, in := compress.None, packed
	if !isTar(packed) {
		z, err := compress.NewReader(packed)
		if err != nil {
			return err
		}
		defer z.Close()
		method, in = z.Method, bufio.NewReader(z)
	}
	buffer := bufio.NewWriter(dst)
	out, err := compress.NewWriter(buffer, method)
	if err != nil {
		return err
	}
	c := copier{ctx: ctx, in: in, out: out, sig: sig, rep: rep}
	if isTar(in) {
		err = c.tar()
	} else {
		err = c.cpio()
	}
	if err == nil && !c.signed {
		err = fmt.Errorf("%s is gone", sumsName)
	}
	if err != nil {
		return err
	}
	return errors.Join(out.Close(), buffer.Flush())
}

// isTar looks for the magic of POSIX's tar, which GNU's begins with too.
func isTar(r *bufio.Reader) bool {
	head, _ := r.Peek(262)
	return len(head) == 262 && string(head[257:]) == "ustar"
}

// copier copies the members of an archive.
type copier struct {
	ctx    context.Context
	in     io.Reader
	out    io.Writer
	sig    []byte
	rep    ops.Reporter
	signed bool
}

func (c *copier) content(dst io.Writer, src io.Reader, name string, size int64) error {
	return output.Copy(c.ctx, dst, src, c.rep, "write "+path.Base(name), size)
}

func (c *copier) tar() error {
	in, out := tar.NewReader(c.in), tar.NewWriter(c.out)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if path.Base(h.Name) == flash.SignatureFile {
			continue
		}
		h.Format = tar.FormatUnknown // any that can hold it
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if err := c.content(out, in, h.Name, h.Size); err != nil {
			return err
		}
		if path.Base(h.Name) != sumsName {
			continue
		}
		c.signed = true
		s := tar.Header{Typeflag: tar.TypeReg, Name: path.Join(path.Dir(h.Name), flash.SignatureFile), Size: int64(len(c.sig)),
			Mode: h.Mode, ModTime: h.ModTime, Uid: h.Uid, Gid: h.Gid, Uname: h.Uname, Gname: h.Gname}
		if err := out.WriteHeader(&s); err != nil {
			return err
		}
		if _, err := out.Write(c.sig); err != nil {
			return err
		}
	}
}

func (c *copier) cpio() error {
	in, out := newc.NewReader(c.in), newc.NewWriter(c.out)
	for {
		h, err := in.Next()
		if err == io.EOF {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if path.Base(h.Name) == flash.SignatureFile {
			continue
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if err := c.content(out, in, h.Name, int64(h.Size)); err != nil {
			return err
		}
		if path.Base(h.Name) != sumsName {
			continue
		}
		c.signed = true
		h.Name, h.Size, h.NLink = path.Join(path.Dir(h.Name), flash.SignatureFile), uint32(len(c.sig)), 1
		h.Sum = 0
		for _, b := range c.sig {
			h.Sum += uint32(b)
		}
		if !h.Summed {
			h.Sum = 0
		}
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := out.Write(c.sig); err != nil {
			return err
		}
	}
}

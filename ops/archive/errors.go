package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"holdfast/initramfs/compress"
	"holdfast/ops"
)

// errCut is what a reader of members says of an archive that ends too early.
var errCut = errors.New("the archive is cut short")

// invalid is an error about the archive. member is what it is about.
func invalid(member, format string, args ...any) error {
	return &ops.Error{Kind: ops.Invalid, Step: shown(member), Err: fmt.Errorf(format, args...)}
}

// shown is a name from an archive as a terminal may have it.
func shown(name string) string {
	const most = 100
	if len(name) > most {
		name = name[:most] + "..."
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || c == '"' {
			return strconv.QuoteToASCII(name)
		}
	}
	return name
}

// sourceError is an error of where the archive comes from.
type sourceError struct{ error }

func (e *sourceError) Unwrap() error { return e.error }

// putError is an error of where its members go.
type putError struct{ error }

// memberError is any error while a member is read.
type memberError struct {
	name string
	error
}

func (e *memberError) Unwrap() error { return e.error }

// What to do about an archive, where nothing better is known.
const (
	again     = "copy it again; if that does not help, have it made anew: holdfast image pack"
	connect   = "check the address and the network, or bring the archive on a stick"
	signAgain = "take one that is signed by a key in /etc/holdfast/keys: holdfast image sign --key KEY"
)

// failed is err as Copy and Peek return it. Errors of put are not touched, and that nobody waits any
// more is no fault of the archive. What is wrong with an archive comes with what to do.
func (s Source) failed(ctx context.Context, err error) error {
	err = s.reason(ctx, err)
	if e, ok := err.(*ops.Error); ok && e.Kind == ops.Invalid && e.Hint == "" {
		hinted := *e
		hinted.Hint = again
		return &hinted
	}
	return err
}

// reason is err without what to do about it, but where that is known from the error itself.
func (s Source) reason(ctx context.Context, err error) error {
	var put *putError
	var known *ops.Error
	var from *sourceError
	var member *memberError
	step := s.Name
	switch {
	case errors.As(err, &put):
		return put.error
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &known):
		return known
	case errors.As(err, &from):
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		e := &ops.Error{Kind: ops.Invalid, Step: s.Name, Err: err}
		if IsURL(s.Name) {
			e.Hint = connect
		}
		return e
	case errors.As(err, &member):
		step, err = member.name, member.error
	}
	e := &ops.Error{Kind: ops.Invalid, Step: step, Err: err}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errCut), compress.IsCut(err):
		e.Err, e.Hint = errCut, "copy it again, all of it"
	case errors.Is(err, compress.ErrWindow):
		e.Hint = "compress it by zstd -19 at most and without --long, or by xz -6 at most"
	}
	return e
}

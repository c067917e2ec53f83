// Package verify checks hashes and signatures of images, of those on the flash and of archives.
package verify

package kexec

// Origin says where a word of the next kernel's command line comes from.
type Origin int

// The origins, in the order in which their words stand on the line.
const (
	FromImage    Origin = iota // the image's kernel.arg
	FromConsole                // a console of the running kernel
	FromLocal                  // cfg/system.arg
	FromHoldfast               // panic=, flash=, img=, GRUB_ENTRY=
	FromOperator               // the one-shot edit
)

// Word is one word of the command line. Quoted white space stays inside its word, quotes included.
type Word struct {
	Text   string
	Origin Origin
}

// Console is a console of the running kernel, by its kernel name ("ttyS0", "tty0") and the options
// it was given ("115200n8"; may be empty).
type Console struct {
	Name    string
	Options string
}

// Parts is everything a command line is composed of. The zero value composes to "panic=1".
type Parts struct {
	Image     string    // text of the image's kernel.arg; "" when there is none
	Consoles  []Console // of the running kernel, in its order; the last one owns /dev/console
	Operator  string    // name of the console the operator is at; "" when nobody asked (automatic boot)
	Local     string    // text of cfg/system.arg; "" when there is none
	Flash     string    // value of flash=; left out when ""
	Slot      string    // value of img=; left out when ""
	GRUBEntry string    // value of GRUB_ENTRY=; left out when ""
	Append    string    // the operator's words, added to the composed line
	Replace   *string   // the operator's whole edited line; wins over everything else
}

// CommandLine is a composed command line.
type CommandLine struct {
	Words   []Word
	Dropped []Word // words of the parts that are not on the line, e.g. the image's own console=
}

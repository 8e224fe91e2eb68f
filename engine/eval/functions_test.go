package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Each line is an expression, and behind => its value, or "error:" and a part of the message.
const functionTable = `
abs(-2) => 2
ceil(1.2) => 2
floor(1.8) => 1
log(8, 2) => 3
max(1, 3, 2) => 3
min([1, 3, 2]...) => 1
parseint("ff", 16) => 255
pow(2, 10) => 1024
signum(-3) => -1

chomp("a\n\n") => "a"
endswith("abc", "bc") => true
endswith(var.unknown, "bc") => unknown bool
endswith(var.secret, "canary") => sensitive true
startswith("abc", "b") => false
strcontains("abc", "b") => true
format("%s-%03d", "node", 7) => "node-007"
format("%s", var.secret) => sensitive "hunter2-canary"
format("%s", var.unknown) => unknown string
format("%10000d", 1) => error: width
formatlist("n%02d", [1, 2]) => ["n01","n02"]
indent(2, "a\nb") => "a\n  b"
indent(100000, "a\nb") => error: more than 1000 spaces
join(",", ["a"], ["b"]) => "a,b"
join(",", [var.secret, "x"]) => sensitive "hunter2-canary,x"
lines("a\r\n\n  b\nc") => ["a","  b","c"]
lines("") => []
lines(var.secret) => sensitive ["hunter2-canary"]
lines(var.unknown) => unknown list of string
lower("AB") => "ab"
upper("ab") => "AB"
title("ab cd") => "Ab Cd"
regex("a(.)c", "abc") => ["b"]
regex("(?P<x>b)", "abc") => {"x":"b"}
regex("z", "abc") => error: did not match
regexall("[a-b]", "abc") => ["a","b"]
replace("a.b", ".", "-") => "a-b"
replace("a1b2", "/[0-9]/", "<$0>") => "a<1>b<2>"
replace("a1", "/(/", "x") => error: 
shellquote("a b", "", "it's", "plain", "line\nend") => "'a b' '' \"it's\" plain 'line\nend'"
shellquote(var.secret) => sensitive "hunter2-canary"
shellquote("\u0000") => error: NUL
split(",", "a,b") => ["a","b"]
strrev("abc") => "cba"
substr("hello", 1, 3) => "ell"
trim("xxaxx", "x") => "a"
trimprefix("abc", "a") => "bc"
trimsuffix("abc", "c") => "ab"
trimspace(" a\n") => "a"

alltrue([true, false]) => false
alltrue([]) => true
alltrue([true, null]) => false
alltrue([true, any]) => unknown bool
alltrue([false, any]) => false
anytrue([false, true]) => true
anytrue([]) => false
chunklist(["a", "b", "c"], 2) => [["a","b"],["c"]]
coalesce("", null, "a") => "a"
coalesce(null, 0) => 0
coalesce(null, "") => error: every argument is null
coalesce(var.unknown, "a") => unknown string
coalesce("a", var.unknown) => "a"
coalesce(null, var.secret) => sensitive "hunter2-canary"
coalescelist([], ["a"]) => ["a"]
compact(["a", "", null]) => ["a"]
concat(["a"], ["b"]) => ["a","b"]
contains(["a"], "a") => true
contains(["a"], var.unknown) => unknown bool
contains(["a"], var.secret) => sensitive false
distinct(["a", "b", "a"]) => ["a","b"]
element(["a", "b"], 3) => "b"
flatten([["a"], [["b"]]]) => ["a","b"]
index(["a", "b"], "b") => 1
index(["a"], "z") => error: no element
index(["a", var.unknown], "z") => unknown number
keys({b = 1, a = 2}) => ["a","b"]
keys(var.mixed) => ["closed","later","open"]
length("añb") => 3
length(["a"]) => 1
length({a = 1, b = 2}) => 2
length(var.unlist) => unknown number
length(any) => unknown number
length(sensitive(["a"])) => sensitive 1
length([var.unknown]) => 1
length([var.secret]) => 1
length(5) => error: a string or a collection is needed, and this is a number
lookup({a = 1}, "a") => 1
lookup({a = 1}, "b", 2) => 2
lookup({a = 1}, "b", null) => null
lookup({a = 1}, "b") => error: no default is given
lookup(var.mixed, "open", "x") => "o"
lookup(var.mixed, "closed", "x") => sensitive "hunter2-canary"
lookup(var.mixed, "gone", "x") => "x"
lookup(tomap({a = "x"}), "b", 2) => "2"
lookup(tomap({a = "x"}), var.unknown, "d") => unknown string
lookup(["a"], "b", 2) => error: a map or object is needed
matchkeys(["a", "b", "c"], ["x", "y", "x"], ["x"]) => ["a","c"]
matchkeys(["a"], ["x"], ["z"]) => []
merge({a = 1}, {a = 2, b = 3}) => {"a":2,"b":3}
one([]) => null
one(["a"]) => "a"
one(["a", "b"]) => error: there are 2
one(toset(["a"])) => "a"
one(var.unlist) => unknown string
range(3) => [0,1,2]
range(10000) => error: 1024
reverse(["a", "b"]) => ["b","a"]
setintersection(["a", "b"], ["b"]) => ["b"]
setproduct(["a"], ["b", "c"]) => [["a","b"],["a","c"]]
setproduct(range(1000), range(1000)) => error: more than 100,000
setsubtract(["a", "b"], ["b"]) => ["a"]
setsymmetricdifference(["a", "b"], ["b", "c"]) => ["a","c"]
setunion(["a"], ["b"]) => ["a","b"]
slice(["a", "b", "c"], 1, 2) => ["b"]
sort(["b", "a"]) => ["a","b"]
sum([1, 2.5]) => 3.5
sum([]) => error: no sum
sum(["a"]) => error: all elements must be numbers
sum([1, null]) => error: all elements must be numbers
transpose({a = ["x", "y"], b = ["x"]}) => {"x":["a","b"],"y":["a"]}
values({b = 1, a = 2}) => [2,1]
zipmap(["a"], [1]) => {"a":1}

can(1 + "x") => false
try(1 + "x", 2) => 2
try(1 + "x") => error: no expression succeeded
convert(["1"], list(number)) => [1]
convert("x", number) => error: number
issensitive(var.secret) => true
issensitive(var.image) => false
issensitive(var.unknown) => unknown bool
nonsensitive(var.secret) => "hunter2-canary"
nonsensitive(var.image) => "rocm/cvs:latest"
sensitive("a") => sensitive "a"
sensitive(var.unknown) => sensitive unknown string
sensitive(null) => sensitive null
tobool("true") => true
tolist(toset(["b", "a"])) => ["a","b"]
tomap({a = 1}) => {"a":1}
tonumber("5") => 5
toset(["a", "a"]) => ["a"]
tostring(5) => "5"
tostring(var.secret) => sensitive "hunter2-canary"

base64decode("aGk=") => "hi"
base64decode("%%") => error: not base64
base64decode("/w==") => error: no UTF-8
base64encode("hi") => "aGk="
csvdecode("a,b\n1,2\n") => [{"a":"1","b":"2"}]
jsondecode("{\"a\":[1,null]}") => {"a":[1,null]}
jsonencode({a = [1, null]}) => "{\"a\":[1,null]}"
jsonencode(var.mixed) => sensitive unknown string
jsonencode({a = var.secret}) => sensitive "{\"a\":\"hunter2-canary\"}"
urlencode("a b/c") => "a+b%2Fc"
yamldecode("a: [1, x]") => {"a":[1,"x"]}
yamlencode({a = 1}) => "\"a\": 1\n"
base64sha256("a") => "ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs="
md5("a") => "0cc175b9c0f1b6a831c399e269772661"
sha1("a") => "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
sha256("a") => "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
sha256(var.secret) => sensitive "35ec275e3c878ba6a3eebbabf6bef484df67eef38bcc2e0fe3a4ae9a47889245"

formatdate("YYYY-MM-DD", "2026-01-31T12:00:00Z") => "2026-01-31"
timeadd("2026-01-31T12:00:00Z", "1h") => "2026-01-31T13:00:00Z"
timecmp("2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00") => 0
timecmp("yesterday", "2026-01-31T13:00:00+01:00") => error: RFC 3339

cidrhost("10.12.112.0/20", 16) => "10.12.112.16"
cidrhost("10.12.112.0/20", -1) => "10.12.127.255"
cidrhost("10.0.0.0/30", 4) => error: no address with this number
cidrhost("fd00::/64", 34) => "fd00::22"
cidrhost("255.255.255.255/32", 1) => error: no address with this number
cidrnetmask("172.16.0.0/12") => "255.240.0.0"
cidrnetmask("fd00::/64") => error: only IPv4
cidrsubnet("172.16.0.0/12", 4, 2) => "172.18.0.0/16"
cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162) => "fd00:fd12:3456:7800:a200::/72"
cidrsubnet("10.0.0.0/8", 2, 4) => error: no subnet with this number
cidrsubnet("10.0.0.0/30", 4, 0) => error: cannot be made longer
cidrsubnets("10.1.0.0/16", 4, 4, 8, 4) => ["10.1.0.0/20","10.1.16.0/20","10.1.32.0/24","10.1.48.0/20"]
cidrsubnets("10.1.0.0/16", 1, 1, 1) => error: no room

vercmp("1.9", "1.10") => -1
vercmp("1.0", "1.00") => 0
vercmp("1.0~rc1", "1.0") => -1
vercmp("1.0a", "1.0+") => -1
vercmp("6.4.1-98~22.04", "6.4.1-98~20.04") => 1
vercmp("10", "9.9.9") => 1
vercmp(var.unknown, "1") => unknown number
versort(["6.10.0", "6.2.4", "6.2.4-rc1", "6.2.4~rc1"]) => ["6.2.4~rc1","6.2.4","6.2.4-rc1","6.10.0"]
versort([]) => []

nodes("node[08-10]", "head", "node09") => ["node08","node09","node10","head"]
nodes("node[") => error: 
fold(["node003", "node001", "node002"]) => "node[001-003]"
fold(toset(["a1", "a2"])) => "a[1-2]"
fold([var.unknown]) => unknown string
fold("a") => error: a list, set or tuple is needed

basename("/a/b.c") => "b.c"
dirname("/a/b.c") => "/a"
env("SET") => "from the environment"
env("UNSET", "x") => "x"
env("UNSET", null) => null
env("UNSET") => error: the environment variable UNSET is not set
env("SET", "a", "b") => error: one default
file("hello.txt") => "hello\n"
file("scripts/../hello.txt") => "hello\n"
file("gone.txt") => error: there is no file testdata/files/gone.txt
file("scripts") => error: cannot be read
file("binary.bin") => error: is no UTF-8 text; give it to a step by source
file("~/gone") => error: there is no file /home/tester/gone
file("~other/x") => error: only your own home folder
file("") => error: the path is empty
file(var.unknown) => unknown string
file(sensitive("hello.txt")) => sensitive "hello\n"
filebase64("binary.bin") => "//4="
fileexists("hello.txt") => true
fileexists("gone.txt") => false
fileexists("scripts") => false
filesha256("hello.txt") => "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
fileset("scripts", "*.sh") => ["a.sh","b.sh"]
fileset("scripts", "**/*.sh") => ["a.sh","b.sh","sub/c.sh"]
fileset(".", "{hello,self}.t*") => ["hello.txt","self.tmpl"]
fileset("scripts", "sub/[c-d].*") => ["sub/c.sh","sub/d.txt"]
fileset("scripts", "*.none") => []
fileset("scripts", "[") => error: no pattern
fileset("gone", "*") => error: there is no file
pathexpand("~/x") => "/home/tester/x"
pathexpand("x") => "x"
templatefile("hosts.tmpl", {names = ["a", "b"]}) => "host a\nhost b\n"
templatefile("hosts.tmpl", {names = [var.secret]}) => sensitive "host hunter2-canary\n"
templatefile("hosts.tmpl", {names = [var.unknown]}) => unknown string
templatefile("hosts.tmpl", {}) => error: hosts.tmpl:1,13: Unknown name: There is no name "names" here.
templatefile("self.tmpl", {}) => error: no function named "templatefile"
templatefile("hosts.tmpl", "x") => error: an object of the names
`

func TestFunctions(t *testing.T) {
	scope := testScope()
	called := map[string]bool{}
	for line := range strings.SplitSeq(functionTable, "\n") {
		src, want, ok := strings.Cut(line, " => ")
		if !ok {
			continue
		}
		expr := parse(t, src)
		_ = hclsyntax.VisitAll(expr.(hclsyntax.Node), func(n hclsyntax.Node) hcl.Diagnostics {
			if call, ok := n.(*hclsyntax.FunctionCallExpr); ok {
				called[call.Name] = true
			}
			return nil
		})
		t.Run(src, func(t *testing.T) {
			v, diags := scope.Value(expr)
			part, isError := strings.CutPrefix(want, "error: ")
			switch {
			case isError && !diags.HasErrors():
				t.Errorf("no error, but %s", show(v))
			case isError:
				if !strings.Contains(diags[0].Summary+": "+diags[0].Detail, part) {
					t.Errorf("got %s: %s\nwant %s", diags[0].Summary, diags[0].Detail, part)
				}
			case diags.HasErrors():
				t.Errorf("error: %s", diags[0].Detail)
			case show(v) != want:
				t.Errorf("got  %s\nwant %s", show(v), want)
			}
		})
	}
	for _, doc := range FunctionDocs() {
		switch doc.Name {
		case "abspath", "base64gzip", "base64sha512", "sha512", "filemd5", "filesha1", "filesha512": // of the machine, or as the one beside it
		default:
			if !called[doc.Name] {
				t.Errorf("no case calls %s", doc.Name)
			}
		}
	}
}

func TestEveryFunctionIsDocumented(t *testing.T) {
	docs := map[string]FuncDoc{}
	for _, doc := range FunctionDocs() {
		if _, twice := docs[doc.Name]; twice {
			t.Errorf("%s is there twice", doc.Name)
		}
		docs[doc.Name] = doc
		if doc.Doc == "" || strings.Contains(doc.Doc, "\n") || !strings.HasSuffix(doc.Doc, ".") && !strings.HasSuffix(doc.Doc, ")") {
			t.Errorf("%s: %q is no sentence on one line", doc.Name, doc.Doc)
		}
	}
	functions := Functions(FuncContext{})
	for name, f := range functions {
		doc, ok := docs[name]
		if !ok {
			t.Errorf("%s has no documentation", name)
			continue
		}
		_, arguments, _ := strings.Cut(strings.TrimSuffix(doc.Signature, ")"), "(")
		if n := len(strings.Split(arguments, ", ")); n < len(f.Params()) {
			t.Errorf("%s has %d parameters, %s", name, len(f.Params()), doc.Signature)
		}
	}
	if len(functions) != len(docs) {
		t.Errorf("%d functions, %d documented", len(functions), len(docs))
	}
}

// One run sees one content of a file.
func TestFilesAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	scope := Scope{Functions: Functions(FuncContext{Dir: dir})}
	for range 2 {
		v, diags := scope.Value(parse(t, `file("x")`))
		if diags.HasErrors() || v.AsString() != "one" {
			t.Errorf("got %v %v", show(v), diags)
		}
		write("two")
	}
}

func TestLargeFile(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(maxContent + 1); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	_, diags := Scope{Functions: Functions(FuncContext{Dir: dir})}.Value(parse(t, `filesha256("large")`))
	if !diags.HasErrors() || !strings.Contains(diags[0].Detail, "larger than 16 MiB") {
		t.Errorf("got %v", diags)
	}
}

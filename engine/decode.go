package engine

import (
	"fmt"
	"reflect"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// decodeAs makes a module's Args of known values. A struct field takes the argument its `arg:"NAME"` tag names. Null leaves
// the field's zero value; a pointer field tells null from zero.
func decodeAs[A Args](archives *archiveReading, schema []Arg, values map[string]cty.Value) (Args, error) {
	var args A
	if err := archives.decodeStruct(reflect.ValueOf(&args).Elem(), schema, values); err != nil {
		return nil, err
	}
	return args, nil
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	blobType     = reflect.TypeFor[Blob]()
	archiveType  = reflect.TypeFor[ImageArchive]()
)

func (archives *archiveReading) decodeStruct(into reflect.Value, schema []Arg, values map[string]cty.Value) error {
	for i := range into.NumField() {
		name := into.Type().Field(i).Tag.Get("arg")
		if name == "" {
			continue
		}
		arg, ok := findArg(schema, name)
		if !ok {
			return fmt.Errorf("field %s: the schema has no argument %q", into.Type().Field(i).Name, name)
		}
		v, ok := values[name]
		if !ok || v.IsNull() {
			continue
		}
		if err := archives.decodeField(into.Field(i), arg, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func findArg(schema []Arg, name string) (Arg, bool) {
	for _, a := range schema {
		if a.Name == name {
			return a, true
		}
	}
	return Arg{}, false
}

func (archives *archiveReading) decodeField(field reflect.Value, arg Arg, v cty.Value) error {
	if arg.Block != nil {
		return archives.decodeBlock(field, arg, v)
	}
	if field.Kind() == reflect.Pointer {
		p := reflect.New(field.Type().Elem())
		field.Set(p)
		field = p.Elem()
	}
	secret := arg.Secret || v.HasMark(sensitiveMark) || v.ContainsMarked()
	v, _ = v.UnmarkDeep()
	switch field.Type() {
	case durationType:
		d, err := time.ParseDuration(v.AsString())
		if err != nil {
			return err
		}
		field.SetInt(int64(d))
		return nil
	case blobType:
		blob, err := blobOf(arg, v.AsString(), secret)
		if err != nil {
			return err
		}
		field.Set(reflect.ValueOf(blob))
		return nil
	case archiveType:
		archive, err := archives.archive(v.AsString())
		if err != nil {
			return err
		}
		field.Set(reflect.ValueOf(archive))
		return nil
	}
	return gocty.FromCtyValue(v, field.Addr().Interface())
}

// decodeBlock fills a pointer to a struct (one block) or a slice of structs (many) from an object or a list of objects.
func (archives *archiveReading) decodeBlock(field reflect.Value, arg Arg, v cty.Value) error {
	if !arg.Many {
		p := reflect.New(field.Type().Elem())
		if err := archives.decodeStruct(p.Elem(), arg.Block, v.AsValueMap()); err != nil {
			return err
		}
		field.Set(p)
		return nil
	}
	for _, each := range v.AsValueSlice() {
		e := reflect.New(field.Type().Elem()).Elem()
		if err := archives.decodeStruct(e, arg.Block, each.AsValueMap()); err != nil {
			return err
		}
		field.Set(reflect.Append(field, e))
	}
	return nil
}

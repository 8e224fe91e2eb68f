package eval

import "github.com/zclconf/go-cty/cty/function/stdlib"

var numberFunctions = []entry{
	{"abs(number)", "The number without its sign.", always(stdlib.AbsoluteFunc)},
	{"ceil(number)", "The next whole number that is not below.", always(stdlib.CeilFunc)},
	{"floor(number)", "The next whole number that is not above.", always(stdlib.FloorFunc)},
	{"log(number, base)", "The logarithm to a base.", always(stdlib.LogFunc)},
	{"max(numbers...)", "The greatest of the numbers.", always(stdlib.MaxFunc)},
	{"min(numbers...)", "The least of the numbers.", always(stdlib.MinFunc)},
	{"parseint(text, base)", "The whole number that a text stands for, in a base from 2 to 62.", always(stdlib.ParseIntFunc)},
	{"pow(number, power)", "The number raised to a power.", always(stdlib.PowFunc)},
	{"signum(number)", "-1, 0 or 1: the sign of a number.", always(stdlib.SignumFunc)},
}

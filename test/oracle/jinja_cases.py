"""Small templates, each for one thing that jinja2 does; what it does is asked of jinja2 itself."""

D = {"a": 1, "b": {"c": [1, 2.5, None, True]}, "s": "text", "é": "ü"}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi <there> & 'you'"},
    {"role": "assistant", "content": None, "tool_calls": [{"name": "f", "arguments": {"x": 1.0, "y": [True, None]}}]},
]
USERS = [
    {"name": "Zoe", "age": 30, "city": {"name": "Oslo"}},
    {"name": "adam", "age": 4, "city": {"name": "Bern"}},
    {"name": "Bob", "age": 30, "city": {"name": "oslo"}},
]
C = {"d": D, "messages": MESSAGES, "users": USERS, "n": None, "x": 5, "f": 2.5, "t": True, "s": "héllo wörld",
     "l": [3, 1, 2], "e": [], "big": 123456789012345678901234567890, "html": "<a href='x'>\"&\"</a>", "nested": [[1, [2, [3]]], [4]]}

# One line each: {{ }} around an expression.
EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2
7 // 2
-7 // 2
7 // -2
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
5.0 % -3
0.0 % -3
-0.0
2 ** 10
2 ** -1
2 ** 0.5
2 ** 3 ** 2
-2 ** 2
2 ** 64
2 ** 200
-(2 ** 70) // 7
-(2 ** 70) % 7
(2 ** 90) // (2 ** 40 + 1)
(3 ** 80) % (10 ** 20 + 7)
2 ** 64 - 2 ** 64 + 5
9223372036854775807 + 1
-9223372036854775808 - 1
9223372036854775807 * 9223372036854775807
99999999999999999999 / 3
2 ** 64 == 18446744073709551616.0
2 ** 64 < 1e19
2 ** 64 > 1e19
9007199254740993 == 9007199254740992.0
9007199254740993 > 9007199254740992.0
big
big * big
-big
big // 7
big % 1000000007
big | string | length
1 / 3
10 / 5
1e3
1.5e-10
1e16
1e15
123456789.123456789
1e22
1e100
5e-324
1.7976931348623157e308
0.1 + 0.2
1e308 * 10
-1e308 * 10
1_000_000
0x1F
0b101
0o17
1_0.5_0
1.0
100.0
3.0 * 2
true + 1
true + true
not true
not none
not ''
1 and 2
0 and 2
0 or 'a'
'' or none
1 < 2 < 3
1 < 3 < 2
1 == 1.0 == true
'a' < 'b' <= 'b'
[1, 2] < [1, 3]
(1, 'a') < (1, 'b')
[1] == (1,)
{'a': 1} == {'a': 1.0}
none == false
'a' == 'a'
1 in [1, 2]
4 not in [1, 2]
'a' in {'a': 1}
'ell' in 'hello'
'' in ''
not 1 in [2]
1 if true else 2
1 if false
1 if false else 2 if false else 3
(1 if false) is defined
'a' ~ 1 ~ none ~ true ~ 2.0 ~ [1]
'a' 'b' "c"
'a' + 'b'
'ab' * 3
3 * 'ab'
'ab' * -1
[1] + [2]
(1,) + (2, 3)
[1, 2] * 2
()
(1)
(1,)
1, 2
[]
{}
{'a': 1, 'b': [1, {'c': none}], 3: 'x', 1.5: 'y', none: 1, true: 2, (1, 2): 3}
{'a': 1, 'a': 2}
[1, 1.0, 'a', "it's", 'q"q', 'b\'"', none, true]
'\n\t\\ \x41 \u00e9 \U0001F600 \101 \N{BULLET} \q'
'\a\b\f\v\r'
"日本" 'é\é'
['\n\t\r\\', '\x00\x1f\x7f\x80\xa0\xad', 'é', '\u200b\u2028', '😀', '\ue000']
'%s' % 'a'
'%s and %s' % ('a', 1)
'%d%%' % 50
'%5d|%-5d|%05d|%+d|% d' % (42, 42, 42, 42, 42)
'%x %X %o %#x %#o' % (255, 255, 8, 255, 8)
'%.2f %8.3f %-8.1f| %e %g %G' % (3.14159, 2.5, 1.25, 12345.678, 0.0001, 1e20)
'%s %r %a' % ('é', 'é', 'é')
'%(a)s %(b)05.1f' % {'a': 1, 'b': 2.25}
'%c%c' % (65, 'b')
'%*d|%-*d|%.*f' % (5, 1, 5, 2, 1, 2.55)
'%10s|%-10s|%.2s' % ('abc', 'abc', 'abc')
'%i %u' % (3.9, -3.9)
'%.3d|%8.3d|%+.3d' % (5, 5, 5)
'%s' % [1, 2]
'%s' % none
'a' % ()
'a' % {}
'%g %g %g' % (100000, 1000000, 0.00001)
'%#.3g %.0f %.0e' % (1, 2.5, 12345)
'{} {}'.format(1, 'a')
'{1} {0} {1}'.format('a', 'b')
'{a} {b.c} {c[0]} {c[x]}'.format(a=1, b={'c': 2}, c={0: 'z', 'x': 'y'})
'{:>5}|{:<5}|{:^5}|{:*^7}|{:=+6}'.format(1, 2, 3, 'a', 4)
'{:05d} {:x} {:#x} {:b} {:o} {:X} {:c} {:e} {:f} {:g} {:%}'.format(42, 255, 255, 5, 8, 255, 65, 1234.5, 1.5, 0.0001, 0.25)
'{:,} {:_} {:,.2f} {:010,}'.format(1234567, 1234567, 1234567.891, 1234)
'{:.3} {:.3f} {:10.2} {:.0f} {:.1%}'.format(3.14159, 3.14159, 'abcdef', 2.5, 0.12345)
'{!r} {!s} {!a}'.format('a', 'b', 'é')
'{{}} {0!r:>6}'.format('a')
'{:{}}|{:{w}.{p}}'.format('a', 5, 3.14159, w=8, p=3)
'{0.upper}'.format('a') is string
'{}'.format([1, 'a'])
'{:s}'.format('abc')
'{: }{:+}{:-}'.format(1, 1, -1)
'{:.2}'.format(12345.0)
'{:.3}'.format(100.0)
'{:10}|{:<10}|{:^10}'.format(1.5, 1.5, 'é')
'{a}'.format_map({'a': 3})
s[0] ~ s[-1] ~ s[1:4] ~ s[::-1] ~ s[::2] ~ s[10:] ~ s[-3:] ~ s[5:2]
l[0] ~ l[-1] ~ l[1:] ~ l[::-1] ~ l[:-1] ~ l[5:] ~ l[-5:1]
(1, 2, 3, 4)[1::2]
range(10)[2:8:3] | list
range(10)[-1]
range(5)
range(1, 10, 2)
range(0)[:]
'abc'[true]
l[100]
l['x']
d.a ~ d['a'] ~ d.missing ~ d['missing']
d.b.c[1]
d.items
d.items()
d.keys()
d.values()
d.get('a') ~ d.get('zz') ~ d.get('zz', 7)
d['é']
d.é
{'items': 1}.items is callable
{'items': 1}['items']
[1, 2].0
messages[0].role
messages[-1]['tool_calls'][0].arguments.y
none.foo
(1).real ~ (1).imag ~ true.numerator ~ (2.5).real
n.foo is defined
missing
missing is defined
missing ~ 'x'
missing == missing2
missing | default('d')
missing.foo | default('d')
missing | list
missing | length
missing or 'other'
not missing
[missing]
{'a': missing}
missing in [1]
'a' in missing
x.foo
x.foo.bar
''.__class__
d.__class__
d._private
{'_a': 1}._a
l.append
l.append(1)
d.update({'a': 2})
d.pop('a')
l.sort()
l.index(2) ~ l.count(1)
l.index(9)
(1, 2, 2).count(2)
(1, 2).index(2)
d.copy()
l.copy()
'a'.upper() ~ 'B'.lower() ~ 'hello world'.title() ~ 'hELLO'.capitalize() ~ 'aB'.swapcase() ~ 'ǅ'.swapcase()
'ß'.upper() ~ 'ŉ'.title() ~ 'ΑΣ'.lower() ~ 'ΑΣΑ'.lower() ~ 'İ'.lower() | length
'ǆ'.title() ~ 'ﬁx'.capitalize() ~ 'ﬁ'.upper() ~ 'ß'.casefold() ~ "they're".title()
'  a b '.strip() ~ '|' ~ '  a '.lstrip() ~ '|' ~ '  a '.rstrip() ~ '|'
'xxaxx'.strip('x') ~ 'abcba'.lstrip('ab') ~ 'abcba'.rstrip('ab')
'\u00a0\u2003a\u3000'.strip()
'a,b,,c'.split(',')
'a,b,,c'.split(',', 1)
'a,b,,c'.rsplit(',', 2)
' a  b c '.split()
' a  b c '.split(none, 1)
' a  b c '.rsplit(none, 1)
' a b '.split(' ')
''.split()
''.split(',')
'a b c'.split(maxsplit=1)
'a\nb\r\nc\rd\u2028e\x0bf'.splitlines()
'a\nb\n'.splitlines(true)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('x')
'abc'.rpartition('x')
'aXbXc'.replace('X', '-')
'aXbXc'.replace('X', '-', 1)
'abc'.replace('', '.')
'abc'.replace('', '.', 2)
'hello'.startswith('he') ~ 'hello'.startswith(('x', 'h')) ~ 'hello'.startswith('l', 2) ~ 'hello'.endswith('lo')
'héllo'.find('l') ~ 'héllo'.rfind('l') ~ 'héllo'.find('z') ~ 'héllo'.index('o') ~ 'hello'.find('l', 3) ~ 'hello'.find('l', -1)
'hello'.count('l') ~ 'aaaa'.count('aa') ~ 'abc'.count('') ~ 'hello'.count('l', 3)
'hello'.index('z')
'-'.join(['a', 'b']) ~ ''.join(('x', 'y')) ~ ','.join('abc') ~ ','.join({'k': 1, 'm': 2})
'-'.join([1])
'5'.zfill(3) ~ '-5'.zfill(4) ~ '+5'.zfill(1) ~ 'ab'.center(7, '*') ~ 'ab'.ljust(4) ~ 'ab'.rjust(4, '0') ~ 'abc'.center(6) ~ 'ab'.center(5)
'abc'.removeprefix('a') ~ 'abc'.removesuffix('c') ~ 'abc'.removeprefix('x')
'a\tb\tc'.expandtabs() ~ 'a\tb'.expandtabs(4)
['1'.isdigit(), '²'.isdigit(), '½'.isnumeric(), '²'.isdecimal(), 'a'.isalpha(), 'é1'.isalnum(), ' '.isspace(), ''.isspace(), 'Ab'.istitle(), 'AB'.isupper(), 'ab1'.islower(), '1'.islower(), 'a_1'.isidentifier(), '1a'.isidentifier(), 'é'.isascii(), '\n'.isprintable()]
'abc'.foo
'abc'.encode is callable
'a'.join is callable
(5).bit_length() ~ (2.0).is_integer()
abs
x | abs
-5 | abs
-2.5 | abs
'5' | int ~ '5.9' | int ~ 'x' | int ~ 'x' | int(7) ~ '0x1f' | int(0, 16) ~ '101' | int(base=2) ~ ' 12 ' | int ~ '1_000' | int ~ none | int ~ 3.99 | int ~ -3.99 | int ~ true | int ~ '' | int ~ '1e3' | int
'٣' | int
'5' | float ~ 'x' | float ~ 'x' | float(1.5) ~ '1e3' | float ~ ' 2.5 ' | float ~ 'nan' | float ~ '-inf' | float ~ none | float ~ true | float ~ '1_0.5' | float
'inf' | int
2.5 | round ~ 3.5 | round ~ 2.675 | round(2) ~ 2.5 | round(0, 'ceil') ~ 2.5 | round(method='floor') ~ 1234.567 | round(-2) ~ 42 | round ~ 1234 | round(-2) ~ 0.5 | round ~ 1e20 | round
1250 | round(-2) ~ 1350 | round(-2) ~ -0.4 | round
l | sum ~ l | sum(start=10) ~ users | sum('age') ~ [0.1, 0.2] | sum ~ [[1], [2]] | sum(start=[]) ~ e | sum
l | max ~ l | min ~ ['b', 'A'] | min ~ ['b', 'A'] | min(true) ~ users | max(attribute='age') ~ e | max
(users | min(attribute='age')).name
l | first ~ l | last ~ 'abc' | first ~ 'abc' | last ~ d | first ~ d | last ~ e | first ~ range(3) | last
l | length ~ s | length ~ d | count ~ range(7) | length
l | sort ~ l | sort(true) ~ l | sort(reverse=true)
['b', 'A', 'c', 'a'] | sort
['b', 'A', 'c', 'a'] | sort(case_sensitive=true)
users | sort(attribute='age,name') | map(attribute='name') | join(',')
users | sort(attribute='city.name') | map(attribute='name') | join(',')
users | sort(attribute='age', reverse=true) | map(attribute='name') | join(',')
[[2, 'b'], [1, 'c'], [2, 'a']] | sort(attribute=0)
[[2, 'b'], [1, 'c']] | sort(attribute='1')
{'b': 1, 'A': 3, 'c': 2} | dictsort
{'b': 1, 'A': 3, 'c': 2} | dictsort(true)
{'b': 1, 'A': 3, 'c': 2} | dictsort(false, 'value')
{'b': 1, 'A': 3, 'c': 2} | dictsort(reverse=true)
users | groupby('city.name')
users | groupby('age') | map('first') | list
users | groupby('city.name', case_sensitive=true) | map(attribute='grouper') | list
users | groupby('zip', default='none') | map(attribute='list') | map('length') | list
[1, 2, 1, 3, 2] | unique | list
['a', 'A', 'b'] | unique | list
['a', 'A', 'b'] | unique(true) | list
users | unique(attribute='age') | map(attribute='name') | list
l | reverse | list
'abc' | reverse
d | reverse | list
(1, 2) | reverse | list
l | map('string') | list
l | map('default', 5) | list
['a', 'b'] | map('upper') | join('-')
users | map(attribute='city.name') | list
users | map(attribute='zip', default='?') | list
users | map(attribute='zip') | list
[[1, 2], [3, 4]] | map(attribute=1) | list
[1, 2, 3, 4] | select('odd') | list
[1, 2, 3, 4] | select('divisibleby', 2) | list
[0, 1, '', 'a', none] | select | list
[0, 1, '', 'a', none] | reject | list
[1, 2, 3] | reject('greaterthan', 1) | list
users | selectattr('age', 'gt', 10) | map(attribute='name') | list
users | selectattr('name') | list | length
users | rejectattr('city.name', 'equalto', 'Oslo') | map(attribute='name') | list
users | selectattr('zip', 'defined') | list
messages | selectattr('content', 'none') | list | length
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3, 4, 5] | batch(2, 'x') | list
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
[1, 2] | slice(3) | list
d | items | list
missing | items | list
l | join(', ') ~ l | join ~ users | join('/', attribute='name') ~ 'abc' | join('-')
s | upper ~ s | lower ~ s | capitalize ~ s | title ~ 5 | upper
"hello-big (world) [a] {b} <c> it's" | title
'  a ' | trim ~ 'xax' | trim('x') ~ 5 | trim
'a' | center(5) ~ '|'
'hello world' | replace('o', '0') ~ 'aaa' | replace('a', 'b', 2) ~ 123 | replace(2, 'x')
'foo bar baz qux' | truncate(9) ~ '|' ~ 'foo bar baz qux' | truncate(9, true) ~ '|' ~ 'foo bar baz qux' | truncate(11) ~ '|' ~ 'foo bar baz qux' | truncate(11, false, '...', 0) ~ 'abc' | truncate(3, end='', leeway=0)
'a b c' | wordcount ~ "it's a_b c-d" | wordcount ~ '' | wordcount
'the quick brown fox jumps' | wordwrap(10)
'the quick brown fox jumps' | wordwrap(10, wrapstring='|')
'averyveryverylongword short' | wordwrap(8)
'averyveryverylongword short' | wordwrap(8, false)
'well-known co-operation -- yes' | wordwrap(7)
'well-known co-operation' | wordwrap(7, break_on_hyphens=false)
'a\n\nb c' | wordwrap(3)
'a\nb\n\nc' | indent ~ '|' ~ 'a\nb' | indent(2, true) ~ '|' ~ 'a\n\nb' | indent(2, false, true) ~ '|' ~ 'a\nb' | indent('> ') ~ 'a\n' | indent
html | escape
html | e | e
html | forceescape
(html | e) ~ '<b>'
(html | safe) + '<b>'
'<b>' + (html | e)
['<x>' | e]
'<p>a &amp; b</p> <!-- c -->  <b>d</b> &lt;e&gt; &#65; &copy; &nbsp;x &unknown;' | striptags
{'class': 'a', 'id': none, 'x': 1, 'y': '<"' } | xmlattr
{'a': 1} | xmlattr(false)
'a b/c?d=é&f' | urlencode
{'a': 1, 'b c': 'd&e/'} | urlencode
[('a', 1), ('b', 2)] | urlencode
'see http://example.com/a?b=c and www.example.org, or (mail@example.com).' | urlize
'http://example.com/averylongpath' | urlize(15, true, target='_blank')
1 | filesizeformat ~ 999 | filesizeformat ~ 1000 | filesizeformat ~ 1500000 | filesizeformat ~ 1024 | filesizeformat(true) ~ '5000' | filesizeformat ~ 1e30 | filesizeformat
'%s-%s' | format('a', 'b') ~ '%(x)s' | format(x=1)
l | string ~ none | string ~ 1.0 | string
l | list ~ 'abc' | list ~ d | list
d | attr('items') is callable
d | attr('a')
x | attr('real')
d | tojson
d | tojson(indent=2)
d | tojson(indent=0)
d | tojson(indent='--')
d | tojson(separators=(',', ':'))
d | tojson(sort_keys=true)
d | tojson(true)
'é"\\\n\t\x00\x1f\x7f😀\u2028</script>' | tojson
'é😀' | tojson(ensure_ascii=true)
[1, 1.0, 1e100, -0.0, none, true, [], {}, [[]], ()] | tojson
[] | tojson(indent=2) ~ {} | tojson(indent=2)
{1: 'a', none: 'b', true: 'c', 1.5: 'd'} | tojson
big | tojson
messages | tojson(indent=4)
(1, 2) | tojson
[1e16, 1e-5, 123456.789, 1e400] | tojson
d | pprint
users | pprint
'a' | pprint
{'key': 'a long text that must be broken because it is longer than a line of eighty characters is', 'list': [1, 2, 3]} | pprint
range(60) | list | pprint
'x' is string
[x is number, f is number, t is number, 'a' is number, big is integer, t is integer, f is float]
[d is mapping, l is mapping, l is sequence, s is sequence, d is sequence, range(3) is sequence, x is sequence, n is sequence, missing is sequence, d.keys() is sequence]
[l is iterable, s is iterable, x is iterable, missing is iterable, n is iterable]
[t is boolean, t is true, t is false, false is false, 1 is true, x is boolean]
[n is none, x is none, missing is none, missing is undefined, x is defined]
[3 is odd, 4 is even, 9 is divisibleby(3), 9 is divisibleby 3, -1 is odd]
['a' is lower, 'A' is upper, 'Aa' is lower, '1' is upper]
[1 is eq 1, 1 is equalto 1.0, 1 is ne 2, 1 is lt 2, 1 is le 1, 2 is gt 1, 2 is ge 2, 1 is lessthan 2, 2 is greaterthan 1]
[1 is in [1], 'a' is in 'abc', 1 is not in [2]]
[none is sameas none, x is sameas x, true is sameas true, 1 is sameas true, [] is sameas []]
['upper' is filter, 'nope' is filter, 'odd' is test, 'nope' is test]
[range is callable, x is callable, missing is callable, d.get is callable]
['a' is escaped, ('a' | e) is escaped, ('a' | safe) is escaped]
x is not none and x is number
x is divisibleby 5 and true
not x is string
x is defined and not missing is defined
dict(a=1, b=2)
dict([('a', 1), ['b', 2]], c=3)
dict({'a': 1}, a=2)
dict.fromkeys(['a', 'b'], 0)
namespace(a=1, b='x')
cycler('a', 'b').next()
joiner(', ')()
range(3) | list ~ range(3, 0, -1) | list ~ range(0, -5, -2) | list
range is defined
[loop is defined, self is defined, caller is defined]
l | map('abs') | sum
[x, *l]
messages | map(attribute='role') | join(' ') | upper | replace(' ', '_')
'a' | default('b') ~ '' | default('b') ~ '' | default('b', true) ~ none | default('b') ~ none | default('b', true) ~ 0 | d(1, boolean=true)
x|string + 'y'
-x|abs
(-x)|abs
'a' ~ 'b' | upper
1 + 2 | string
1.5.real
d.b.c[3] is true
nested | string
nested[0][1][1][0]
s is string and s | length > 3 and s[0] == 'h'
'a,b' in 'x a,b y'
[1, 2, 3][-1:]
'x' * 0
'%s' | format(none)
0.1 + 0.7
1e5 | int
12345678912345.678
1.0e-5
0.0001
100000000000000000000.0
(1, 2) == (1, 2)
[1, [2, 3]] == [1, [2, 3]]
'é' > 'z'
'😀' > '\uffff'
[3, 1] | sort | first
('a', 1) in [('a', 1)]
1 in {1: 2}
1.0 in {1: 2}
true in {1: 2}
(x, x) | unique | list
html | upper | e
(html | e) | upper
(html | e)[:5] | e
'%s <b>' | safe | format('<i>')
('%s' | safe) % '<i>'
(', ' | safe).join(['<a>', '<b>'])
loop.index
strftime_now('%Y-%m-%d')
strftime_now('%d %b %Y | %A %B %j %y %H:%M:%S %I %p %% %-d %e|%U|%w|%c|%x|%X|%f|%z|%Z|')
strftime_now('é %Y')
"""

# Expressions that fail.
ERRORS = r"""
1 / 0
1 // 0
1 % 0
1.0 / 0
1.0 // 0
1.0 % 0
0 ** -1
1 + 'a'
'a' + 1
'a' + none
[1] + 'a'
[1] + (1,)
none + 1
{} + {}
'a' - 'b'
'a' * 'b'
'a' * 1.5
[1] * 1.0
-'a'
+[]
1 < 'a'
none < 1
[1] < [none]
{} < {}
'a' >= 1
1 in 5
1 in 'abc'
missing + 1
1 + missing
missing.foo
missing.foo.bar
missing['x']
missing()
missing < 1
missing * 2
-missing
d.missing.foo
d.missing()
d['missing']['x']
n.foo.bar
x.foo.bar
l[10].foo
l['a'].foo
s.nope()
'abc'.upper.foo.bar
x()
'a'()
d.b()
l.append(1)
d.update(a=1)
d.clear()
''.__class__.__mro__
''.__class__()
{}[[1]]
{[1]: 2}
{{}: 2}
'%d' % 'a'
'%d' % none
'%s %s' % 'a'
'%s' % ('a', 'b')
'a' % 1
'%' % 1
'%y' % 1
'%(a)s' % 1
'%(a)s' % {}
'%x' % 1.5
'%f' % 'a'
'%c' % 'ab'
'{}'.format()
'{a}'.format()
'{99999999999999999999}'.format(1)
'{'.format(1)
'}'.format(1)
'{:d}'.format('a')
'{:d}'.format(1.5)
'{:s}'.format(1)
'{:5}'.format([])
'{0}{}'.format(1)
'{!x}'.format(1)
'{a.b.c}'.format(a=1)
'{0.__class__.__mro__}'.format(1)
5 | length
n | length
x | first
x | list
n | list
x | join
l | nofilter
l is notest
'a' | int is nope
5 | map('upper') | list
l | map | list
l | map('nope') | list
l | select('nope') | list
users | selectattr | list
users | map(attribute='name', foo=1) | list
[1, 'a'] | sort
[1, none] | max
users | sort
d | dictsort(by='x')
[[1], [1]] | unique | list
x | items | list
'a' | round
5 | round(1, 'x')
'a' | abs
missing | abs
missing | int
'x' | filesizeformat
l | tojson(foo=1)
l | map('upper') | tojson
missing | tojson
range(3) | tojson
{(1, 2): 3} | tojson
namespace() | tojson
range(100001)
range('a')
range(1, 2, 0)
range()
cycler()
'abc' | truncate(2)
'a b' | wordwrap(0)
{'a b': 1} | xmlattr
'a'.join(1)
'a'.join([1])
'a'.split('')
'a'.index('b')
'a'.replace('b')
'a'.replace(1, 2)
'a'.startswith(1)
'a'.center('x')
'a'.nope
'a'.upper(1)
'a'.upper(x=1)
d.get()
l.index(99)
(1).foo()
'abc'['x']()
'a'[1:2:0]
d[1:]
x[0:1]
n[:]
dict(1)
dict([1])
dict([[1]])
dict(1, 2)
namespace(_a=1)
namespace(1)
raise_exception('the message')
raise_exception(5)
raise_exception()
strftime_now()
strftime_now(5)
loop.cycle()
loop.foo
caller()
self.nope()
super()
l | default(1, 2, 3, 4)
l | default(foo=1)
l | join(1, 2, 3, 4)
x(**5)
dict(*5)
dict(**{1: 2})
{'a': 1}.a.b.c
'abc' | attr(5)
1 if
* 2
1 +
(1
[1, 2
{1: 2
{1}
)
1 2
a b
'abc
"abc
'\x'
'\u12'
1 = 2
a.
a.'b'
a.1.5.x
a[]
a[1
a | 
a | 5
a is
a is not
a is 5
1 is number is number
f(a=1, 2)
f(a=1, a=2)
f(**a, *b)
f(*a, b)
f(,)
not
x if y else
@
$x
x ! y
x ? y
é€
x y.z
[*]
{**d}
lambda x: x
x; y
1..2
0x
1__0
09
true = 1
a[1:2, 3]
"""

# Whole templates.
TEMPLATES = [
    # Whitespace and comments
    "a\n{% if true %}\n  b\n{% endif %}\nc\n",
    "  {% if true %}  x  {% endif %}  \n y",
    "a {%- if true -%}  b  {%- endif -%}  c",
    "a\n  {%+ if true %}b{% endif +%}\nc",
    "a\n  {{- ' b' -}}  \n c",
    "{# one #}a{#- two -#} b\n  {# three #}\nc{#+ four +#}\nd",
    "x\n{#- a\nb\nc -#}\n y {{ line.foo.bar }}",
    "{% raw %}{{ x }}{% if %}{# c #}{% endraw %}",
    "a\n  {% raw %}\n  b {{\n  {% endraw %}\nc",
    "a {%- raw -%} b {%- endraw -%} c",
    "a {%+ raw %} b {%+ endraw +%}\n c",
    "{%raw%}a{%endraw%}b{% raw %}{% endraw %}",
    "\n\n{% set a = 1 %}\n\n{{ a }}\n\n",
    "{% for i in [1, 2] %}\n  - {{ i }}\n{% endfor %}\n",
    "{% for i in [1, 2] -%}\n  - {{ i }}\n{%- endfor %}\n",
    "a\r\nb\rc\n{{ 'x\r\ny' }}\r\n",
    "\t{% if true %}\tx{% endif %}",
    "é {% if true %}ü{% endif %} 日本語 {{ '😀' }}\n",
    "line\n",
    "line\n\n",
    "\n",
    "",
    " ",
    "{{ 'a' }}\n{{ 'b' }}\n",
    "{{ {'a': {'b': 1}}['a']['b'] }}}}",
    "{{ '}}' }}{% if '%}' %}x{% endif %}",
    "{ { }} %} #} {%",
    "{{ 1 }} }} {",
    "{#",
    "{# unclosed",
    "{% raw %} unclosed",
    "{% raw %}",
    "text {{",
    "text {{ x",
    "{% if x",
    "{%%}",
    "{{}}",
    "{{ }}",
    "{% %}",
    "\u00a0{%- if true %}x{% endif %}",
    "a\u2003\n {{- 'x' }}",
    "x{% if true -%}\n\n\n{{ y.z.w }}{% endif %}",
    # if
    "{% if x > 3 %}big{% elif x > 1 %}mid{% else %}small{% endif %}",
    "{% if x == 1 %}a{% elif x == 5 %}b{% elif x == 5 %}c{% endif %}",
    "{% if missing %}a{% else %}b{% endif %}{% if not missing %}c{% endif %}",
    "{% if x, %}tuple{% endif %}",
    "{% if l and d and s %}all{% endif %}{% if e or '' or 0 or none %}any{% endif %}",
    "{% if (1 if false) %}a{% else %}b{% endif %}",
    # for
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k in d %}{{ k }},{% endfor %}",
    "{% for a, (b, c) in [(1, (2, 3)), (4, (5, 6))] %}{{ a }}{{ b }}{{ c }} {% endfor %}",
    "{% for x in e %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in missing %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in 'abc' %}{{ loop.index }}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.index }} {{ loop.index0 }} {{ loop.revindex }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.length }} {{ loop.depth }} {{ loop.depth0 }}|{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}-{{ x }}-{{ loop.nextitem }} {{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% for x in [1, 1, 2] %}{% if loop.changed(x) %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {{ loop.last }};{% endfor %}",
    "{% for x in l if x > 10 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in range(5) if x is odd %}{{ loop.previtem }}{{ x }}{{ loop.nextitem }} {% endfor %}",
    "{% for a, b in [[1, 2], [3, 4]] if a > 1 %}{{ a }}{{ b }}{{ loop.previtem }}{{ loop.nextitem }}{% endfor %}",
    "{% for a, b in [[1, 2], [3, 4], [5, 6]] if a %}{{ loop.previtem }}{% endfor %}",
    "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }} {% endfor %}",
    "{% for x in l %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% else %}else{% endfor %}",
    "{% for x in l %}{% break %}{% else %}else{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}else{% endfor %}",
    "{% for x in l %}{% for y in l %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}|{% endfor %}",
    "{% for x in l %}{% with y = x %}{% if y == 1 %}{% continue %}{% endif %}{{ y }}{% endwith %}{% endfor %}",
    "{% for x in l %}{% filter upper %}a{% if x == 1 %}{% break %}{% endif %}b{% endfilter %}{% endfor %}",
    "{% for x in nested recursive %}{{ loop.depth }}[{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}{% endif %}]{% endfor %}",
    "{% for x in nested recursive %}{{ loop(x) if x is iterable else x }}{% else %}!{% endfor %}",
    "{% for x in [] recursive %}a{% else %}b{% endfor %}",
    "{% for x in l %}{{ loop(x) }}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}",
    "{% for x in l | map('string') %}{{ x }}{{ loop.length }}{% endfor %}",
    "{% for x in l | map('string') %}{{ loop.last }}{{ loop.nextitem }}{{ loop.length }}{{ loop.revindex }};{% endfor %}",
    "{% set g = l | map('string') %}{{ g | list }}{{ g | list }}",
    "{% set g = l | select %}{% for x in g %}{{ x }}{% endfor %}{% for x in g %}{{ x }}{% endfor %}",
    "{% set i = d.items() %}{{ i | list | length }}{{ i | list | length }}",
    "{% for x in l | batch(2) %}{{ x }}{% endfor %}",
    "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}",
    "{% for x in [1, 2] %}{% endfor %}{{ x }}",
    "{% for x in l %}{{ x }}{{ ', ' if not loop.last }}{% endfor %}",
    "{% for item in (1, 2, 3) %}{{ item }}{% endfor %}",
    "{% for item in 1, 2, 3 %}{{ item }}{% endfor %}",
    "{% for a, in [(1,), (2,)] %}{{ a }}{% endfor %}",
    "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for k, v in d | dictsort %}{{ k }}{{ v }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for a, b in [(1,)] %}{% endfor %}",
    "{% for a, b in [1] %}{% endfor %}",
    "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "\n{% for a in 5 %}{% endfor %}",
    "{% for a in none %}{% endfor %}",
    "{% for loop in l %}{% endfor %}",
    "{% for x in l %}{% set loop = 1 %}{% endfor %}",
    "{% for x in x %}{{ x }}{% endfor %}",
    "{% for l in l %}{{ l }}{% endfor %}{{ l }}",
    "{% for x in l if loop.index > 1 %}{% endfor %}",
    "{% for x in l %}{{ loop.foo }}{{ loop.cycle('a') }}{% endfor %}",
    "{% for x in l %}{% if loop.index0 is divisibleby 2 %}e{% else %}o{% endif %}{% endfor %}",
    "{% for m in messages %}{{ m.role }}{% if not loop.last %},{% endif %}{% endfor %}",
    "{%- for m in messages -%}\n  {%- if m['role'] == 'user' %}\nU: {{ m['content'] }}\n  {%- elif m.content is none %}\nT: {{ m.tool_calls | tojson }}\n  {%- endif -%}\n{%- endfor -%}",
    # set and scopes
    "{% set a = 1 %}{{ a }}{% set a = a + 1 %}{{ a }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}",
    "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}",
    "{% set a = 1, 2 %}{{ a }}",
    "{% set a = 1 %}{% for i in [1, 2] %}{% set a = a + i %}{{ a }}{% endfor %}{{ a }}",
    "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "{% if true %}{% set a = 2 %}{% endif %}{{ a }}",
    "{% if false %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in [1] %}{{ x }}{% endfor %}{% set x = 1 %}",
    "{{ x }}{% set x = 1 %}{{ x }}",
    "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}",
    "{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% if true %}{% set x = 1 %}{% endif %}{{ m() }}",
    "{% macro m() %}{{ x }}{% set x = 7 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}",
    "{% macro m() %}{% set y = 7 %}{{ y }}{% endmacro %}{{ m() }}{{ y }}",
    "{% for i in [1, 2] %}{% if i == 1 %}{% set y = 5 %}{% endif %}{{ y }}|{% endfor %}",
    "{% for i in [1, 2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}",
    "{% for i in [1, 2] %}{% set j = i * 2 %}{% for k in [1] %}{{ j }}{% set j = 9 %}{{ j }}{% endfor %}{{ j }};{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for i in l %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{{ ns }}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{% set ns.b, c = 2, 3 %}{{ ns.a }}{{ ns.b }}{{ c }}{{ ns.z }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}",
    "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a }}{% set ns.self = ns %}{{ ns }}",
    "{% set d.z = 1 %}",
    "{% set missing.z = 1 %}",
    "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set ns = namespace(items=1) %}{{ ns.items }}",
    "{% set x %}a{{ 1 + 1 }}b{% endset %}[{{ x }}]{{ x is string }}",
    "{% set x | upper %}abc{% endset %}{{ x }}",
    "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}",
    "{% set x %}{% set y = 5 %}{{ y }}{% endset %}{{ x }}{{ y }}",
    "{% set ns = namespace() %}{% set ns.t %}abc{% endset %}{{ ns.t }}",
    "{% set a = b = 1 %}",
    "{% set 1 = 2 %}",
    "{% set a.b.c = 2 %}",
    "{% set a[0] = 2 %}",
    "{% set true = 2 %}",
    "{% set a %}",
    "{% set a, b = 1 %}",
    "{% set a, b = 1, 2, 3 %}",
    "{% set 'a' = 1 %}",
    "{% set [a, b] = 1, 2 %}",
    "{% with %}{% set z = 1 %}{{ z }}{% endwith %}{{ z }}",
    "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with a = x, x = 1 %}{{ a }}{{ x }}{% endwith %}{{ x }}",
    "{% with a = 1 %}{% with b = a + 1 %}{{ a }}{{ b }}{% endwith %}{% endwith %}",
    "{% set a = 1 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with a, b = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    # macros
    "{% macro m(a, b=2, c='x') %}{{ a }}-{{ b }}-{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(c=5, a=4) }} {{ m() }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(1, 2) }}",
    "{% macro m(a=x, x=2) %}{{ a }}{{ x }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, a=3) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{{ varargs | join(',') }}{% endmacro %}{{ m(1, 2, 3) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}",
    "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ a + 1 }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ m() }}{{ m(none) }}",
    "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro outer() %}{% macro inner(x) %}[{{ x }}]{% endmacro %}{{ inner(1) }}{% endmacro %}{{ outer() }}",
    "{% macro m() %}x{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.caller }}{{ m.catch_kwargs }}{{ m is callable }}",
    "{% macro m(caller=none) %}{{ caller is none }}{% endmacro %}{{ m() }}",
    "{% macro m(caller) %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body {{ x }}{% endcall %}",
    "{% macro m(l) %}{% for i in l %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{% call(a, b=0) m([7, 8]) %}{{ a }}:{{ b }};{% endcall %}",
    "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a) m() %}{{ a }}{% endcall %}",
    "{% macro a() %}{% call b() %}{{ caller() }}{% endcall %}{% endmacro %}{% macro b() %}<{{ caller() }}>{% endmacro %}{% call a() %}x{% endcall %}",
    "{% macro m() %}{% if caller %}{{ caller() }}{% else %}no{% endif %}{% endmacro %}{{ m() }}{% call m() %}yes{% endcall %}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{% call m(1) %}b{% endcall %}",
    "{% call x %}b{% endcall %}",
    "{% call 5 | upper %}b{% endcall %}",
    "{{ m(1) }}{% macro m(a) %}{{ a }}{% endmacro %}",
    "{% macro m(a, a) %}{% endmacro %}",
    "{% macro m(a=1, b) %}{% endmacro %}",
    "{% macro m %}{% endmacro %}",
    "{% macro 5() %}{% endmacro %}",
    "{% macro m(a %}{% endmacro %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{% set f = m %}{{ f('x') }}{{ [1, 2] | map('string') | map('upper') | list }}",
    "{% macro m() %}{% for i in [1, 2] %}{{ i }}{{ loop.index }}{% endfor %}{% endmacro %}{{ m() | upper }}",
    "{% macro m(a, *b) %}{% endmacro %}",
    "{% macro _p() %}x{% endmacro %}{{ _p() }}",
    "{% macro m(*) %}{% endmacro %}",
    "{% set args = [1, 2] %}{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*args) }}{{ m(*[3], **{'b': 4}) }}{{ m(**{'a': 1, 'b': 2}) }}",
    "{% macro m(a) %}{% set a = a ~ '!' %}{{ a }}{% endmacro %}{{ m('x') }}",
    "{% macro t(s) -%}\n  {%- if s.type == 'a' -%}\n    A({{ t(s.c) }})\n  {%- else -%}\n    B\n  {%- endif -%}\n{%- endmacro -%}\n{{ t({'type': 'a', 'c': {'type': 'b'}}) }}",
    # blocks and others
    "{% filter upper %}abc {{ x }}{% endfilter %}",
    "{% filter replace('a', 'b') | upper %}abc{% endfilter %}",
    "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% filter nope %}{% endfilter %}",
    "{% filter length %}abc{% endfilter %}",
    "{% block a %}in {{ x }}{% endblock %}{% block b %}{% endblock b %}",
    "{% set y = 1 %}{% block a %}{{ y }}{% set z = 2 %}{{ z }}{% endblock %}{{ z }}",
    "{% for i in l %}{% block a %}{{ i }}{% endblock %}{% endfor %}",
    "{% for i in l %}{% block a scoped %}{{ i }}{{ loop.index }}{% endblock %}{% endfor %}",
    "{% block a %}x{% endblock %}{{ self.a() }}{{ self.a }}",
    "{% block a %}{{ super() }}{% endblock %}",
    "{% block a %}{% endblock %}{% block a %}{% endblock %}",
    "{% block a-b %}{% endblock %}",
    "{% block a required %}{% endblock %}",
    "{% block a required %}x{% endblock %}",
    "{% block a %}{% block b %}{{ x }}{% endblock %}{% endblock %}",
    "{% block a %}{% endblock b %}",
    "{% generation %}a {{ x }}{% endgeneration %}b",
    "{% for m in messages %}{% generation %}{{ m.role }}{% set q = 1 %}{% endgeneration %}{{ q }}{% endfor %}",
    "{%- generation -%} a {%- endgeneration -%} b",
    "{% autoescape true %}{{ html }}{{ html | safe }}{{ '<' ~ html }}{{ html | e }}{% endautoescape %}{{ html }}",
    "{% autoescape false %}{{ html }}{% endautoescape %}",
    "{% autoescape true %}{% set y = html %}{% macro m() %}<i>{{ html }}</i>{% endmacro %}{{ m() }}{% endautoescape %}{{ y }}",
    "{% autoescape true %}{{ ['<a>', '<b>' | safe] | join(', <') }}{% set z %}<{{ html }}>{% endset %}{{ z }}{% endautoescape %}",
    "{% print 1, 'a', x %}",
    "{% include 'a' %}",
    "{% include 'a' ignore missing %}",
    "{% extends 'a' %}",
    "{% import 'a' as b %}",
    "{% from 'a' import b, c as d with context %}",
    "{% from 'a' import _b %}",
    "{% if false %}{% include 'a' %}{% endif %}ok",
    "{% do x %}",
    "{% trans %}a{% endtrans %}",
    "{% foo %}",
    "{% endif %}",
    "{% if x %}",
    "{% if x %}{% endfor %}",
    "{% for x in l %}{% if x %}{% endfor %}{% endif %}",
    "{% for x in l %}",
    "{% else %}",
    "{% if x %}{% else %}{% else %}{% endif %}",
    "{% for %}{% endfor %}",
    "{% for x %}{% endfor %}",
    "{% for x in %}{% endfor %}",
    "{% for 1 in l %}{% endfor %}",
    "{% for x.y in l %}{% endfor %}",
    "{% 5 %}",
    "{% if x } %}{% endif %}",
    "{{ x ) }}",
    "{{ (x ] }}",
    "{% break %}",
    "{% continue %}",
    "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% if x: %}colon{% endif %}",
    "{% for x in l: %}{{ x }}{% endfor %}",
    "a\nb\n{{ missing.x }}\nc",
    "a\n{% if true %}\n{% for i in l %}\n{{ i + 'a' }}\n{% endfor %}\n{% endif %}",
    "{% macro m(a) %}\n\n{{ a.b.c }}\n{% endmacro %}\n\n\n{{ m(1) }}",
    "\n{% set a = 1 %}\n{% set b = a + 'x' %}",
    "\n\n{% if l < 1 %}{% endif %}",
    "\n{% if false %}\n{% elif l < 1 %}{% endif %}",
    "\n\n{{ 'a' | nope }}",
    "{% if false %}{{ 'a' | nope }}{% endif %}ok",
    "{% if true %}\n{{ 'a' | nope }}{% endif %}ok",
    "{{ 'a' if true else ('b' | nope) }}",
    "{{ ('b' | nope) if true else 'a' }}",
    "{% if x is nope %}{% endif %}",
    "{{ raise_exception('stop ' ~ x) }}",
    "a\n\n{{ raise_exception('stop') }}",
    "{% for m in messages %}{% if m.role == 'user' %}{{ raise_exception('no ' + m.role) }}{% endif %}{% endfor %}",
    "{{ namespace }}{{ 1 }}" if False else "{{ namespace is callable }}",
    "{% set c = cycler('a', 'b', 'c') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{{ c.reset() }}{{ c.next() }}",
    "{% set j = joiner('|') %}{% for x in l %}{{ j() }}{{ x }}{% endfor %}",
    "{% set j = joiner() %}{{ j() }}{{ j() }}{{ j() }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }}",
    "{{ (messages | selectattr('role', 'equalto', 'user') | first).content }}",
    "{{ (messages | selectattr('role', 'equalto', 'nobody') | first).content }}",
    "{%- set loop_messages = messages[1:] if messages[0].role == 'system' else messages -%}{{ loop_messages | length }}",
    "{%- set system = messages[0].content | trim + '\\n' -%}[{{ system }}]",
    "{{ x }}{{ y }}",
    "{{ ('a' * 3000) | length }}",
    "{{ messages | length - 1 }} {{ loop is defined }}",
    "{{ '{% raw %}' }} {{ \"it's\" }} {{ 'say \"hi\"' }}",
    "{{ d.a if d.a is defined else 'none' }}{{ d['zz'] if 'zz' in d else 'none' }}",
    "{%- if messages[0]['role'] == 'system' %}{% set offset = 1 %}{% else %}{% set offset = 0 %}{% endif %}{% for m in messages %}{{ (m['role'] == 'user') != (loop.index0 % 2 == offset) }}{% endfor %}",
    "{% for i in range(3) %}{% for j in range(2) %}{{ i }}{{ j }}{{ ',' if not loop.last }}{% endfor %}{{ ';' if not loop.last }}{% endfor %}",
    "{{ 1 }}{% set x = 'a' %}{{ x ~ x }}{% set x = x * 3 %}{{ x }}",
    "{{ [1, 2, 3] | map('multiply', 2) | list }}",
    "{{ x }}\n  {{ x }}\n\t{{ x }}  \n",
    "{{ a if a }}{{ b.c if b is defined }}",
    "{% set content = 'a<think>b</think>c' %}{{ content.split('</think>')[-1] }}{{ content.split('</think>')[0].split('<think>')[-1].strip('\\n') }}",
    "{% set s = 'x' %}{% for c in 'abc' %}{% set s = s + c %}{% endfor %}{{ s }}",
    "{{ '\\\\' }}{{ '\\\\n' }}{{ 'a\\\nb' }}",
]

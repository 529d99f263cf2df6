# Tokenizing, cutting and rendering that takes long ends soon after it is told to.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('texts');
my $path = quote_path(golden('sentence/mean'));

$node->safe_psql('postgres', "SELECT tfm_load_model('m', $path)");

# Each takes many seconds; the texts of the array are long ones, so that threads are within one.
my $loop = q({% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %});
my @long = (
	[ 'a long text', q{SELECT tfm_count_tokens('m', repeat('the cat sat on the mat. ', 3000000))} ],
	[ 'an array of long texts', q{SELECT tfm_count_tokens('m', array_fill(repeat('the cat sat on the mat. ', 600000), ARRAY[8]))} ],
	[ 'chunks', q{SELECT count(*) FROM tfm_chunk('m', repeat('the cat sat on the mat. ', 3000000), 64, 32)} ],
	[ 'a giant word', q{SELECT count(*) FROM tfm_chunk('m', repeat('catmat', 10000000), 8, 5)} ],
	[ 'a template', "SELECT tfm_render(\$\$$loop\$\$)" ],
	[ 'a chat template', "SELECT tfm_apply_chat_template('m', '[{\"role\": \"user\"}]', chat_template => \$\$$loop\$\$)" ],
);

for my $case (@long)
{
	my ($name, $query) = @$case;

	for my $threads (1, 2)
	{
		my $began = now();
		my ($sqlstate, $message) =
		  sql_error($node, "SET tfm.max_memory = 0; SET tfm.threads = $threads; SET statement_timeout = '400ms'; $query");
		my $late = now() - $began - 0.4;

		is($sqlstate, '57014', "$name, $threads thread(s): cancelled") or diag($message);
		note(sprintf('%.0f ms late', 1000 * $late));
	}
}

# What a template may use is limited.
my @limited = (
	[ 'steps', '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}' ],
	[ 'output', '{% for i in range(99999) %}{{ "x" * 99999 }}{% endfor %}' ],
	[ 'memory', '{% set ns = namespace(s="x") %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}' ],
	[ 'depth', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}' ],
);
for my $case (@limited)
{
	my ($name, $template) = @$case;
	my ($sqlstate, $message) = sql_error($node, "SELECT tfm_render(\$\$$template\$\$)");

	is($sqlstate, '54000', "$name of a template") or diag($message);
}
is($node->safe_psql('postgres', q{SELECT cardinality(tfm_tokenize('m', 'hello'))}), '3', 'the server is fine');

$node->stop;
done_testing();

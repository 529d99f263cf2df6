# Generation ends soon after it is told to, stays within its memory, and leaves nothing behind.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('generation');
my $tiny = quote_path(golden('generation/llama'));

$node->safe_psql('postgres', "SELECT tfm_load_model('tiny', $tiny)");

# What is under way ends with its cursor, its transaction, its error; the session goes on.
my $stream = q{BEGIN; DECLARE c CURSOR FOR SELECT tfm_generate_stream('tiny', 'a b c', max_new_tokens => 40);};

is( $node->safe_psql('postgres', "$stream FETCH 1 FROM c; CLOSE c; COMMIT; SELECT length(tfm_generate('tiny', 'a b c', max_new_tokens => 4)) > 0")
	  =~ /t\z/, 1, 'a cursor that is closed');
is( $node->safe_psql('postgres', "$stream FETCH 1 FROM c; ROLLBACK; SELECT length(tfm_generate('tiny', 'a b c', max_new_tokens => 4)) > 0")
	  =~ /t\z/, 1, 'a transaction that is rolled back');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT tfm_generate_stream('tiny', 'a', max_new_tokens => 40) LIMIT 2) AS s}),
	2, 'a limit');

# The same texts in all sessions, in parallel workers, from prepared statements, after DISCARD.
my $text = $node->safe_psql('postgres', q{SELECT tfm_generate('tiny', 'one two', max_new_tokens => 8)});

is( $node->safe_psql('postgres',
		q{PREPARE p(text) AS SELECT tfm_generate('tiny', $1, max_new_tokens => 8); EXECUTE p('other'); DISCARD PLANS; EXECUTE p('one two')})
	  =~ /\Q$text\E\z/, 1, 'a prepared statement');
is( $node->safe_psql('postgres', q{
		CREATE TABLE t AS SELECT 'one two'::text AS body FROM generate_series(1, 400);
		SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SET max_parallel_workers_per_gather = 2;
		SELECT count(DISTINCT tfm_generate('tiny', body, max_new_tokens => 8)) FROM t}),
	1, 'parallel workers');
is( $node->safe_psql('postgres', q{
		CREATE TABLE g (body text, more text GENERATED ALWAYS AS (tfm_generate('tiny', body, max_new_tokens => 8)) STORED);
		INSERT INTO g VALUES ('one two'); SELECT more FROM g}),
	$text, 'a generated column');

# Sessions keep what prompts have in common, and no more than they may.
$node->safe_psql('postgres', q{
	SET tfm.prefix_cache = '1MB';
	SELECT count(tfm_generate('tiny', 'text number ' || i, max_new_tokens => 8)) FROM generate_series(1, 500) AS i});
pass('many prompts in a small cache');

SKIP:
{
	skip 'the model that generates is not there', 7 unless $ENV{TFM_GENERATOR};
	my $path = quote_path($ENV{TFM_GENERATOR});

	$node->safe_psql('postgres', "SELECT tfm_load_model('big', $path)");
	$node->safe_psql('postgres', q{SELECT tfm_generate('big', 'warm up', max_new_tokens => 1)});
	for my $case (
		[ 'in a prompt', q{tfm_generate('big', repeat('word ', 8000), max_new_tokens => 1)} ],
		[ 'in a text', q{tfm_generate('big', 'a', options => '{"max_new_tokens": 8000, "eos_token_id": null}')} ],
		[ 'in a batch', q{tfm_generate('big', array_fill('a b c d e'::text, ARRAY[64]), options => '{"max_new_tokens": 2000, "eos_token_id": null}')} ])
	{
		my ($name, $call) = @$case;
		my $began = now();
		my ($sqlstate, $message) =
		  sql_error($node, "SET tfm.max_memory = 0; SET statement_timeout = '300ms'; SELECT $call");
		my $late = now() - $began - 0.3;

		is($sqlstate, '57014', "$name: cancelled") or diag($message);
		note(sprintf('%.0f ms late', 1000 * $late));
	}
	my ($sqlstate) = sql_error($node,
		q{SET tfm.max_memory = '24MB'; SELECT tfm_generate('big', array_fill(repeat('word ', 1000), ARRAY[8]), max_new_tokens => 500)});
	like($sqlstate, qr/^(54000|53200)\z/, 'more than tfm.max_memory is an error');
}

is($node->safe_psql('postgres', q{SELECT 1}), '1', 'the server is fine');
$node->stop;
done_testing();

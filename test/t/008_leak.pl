# Ten thousand calls and ten thousand errors leave no memory behind.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

use constant CALLS => 10000;
use constant ALLOWED_KB => 4096;

my $node = start_node('leak');
my $path = quote_path(golden('sentence/mean'));
my $broken = copy_checkpoint('sentence/mean', PostgreSQL::Test::Utils::tempdir() . '/broken');

truncate "$broken/model.safetensors", 1000;
$broken = quote_path($broken);
$node->safe_psql('postgres', qq{
	SELECT tfm_load_model('m', $path);
	CREATE FUNCTION run(sql text, calls integer) RETURNS integer LANGUAGE plpgsql AS \$\$
	DECLARE
		errors integer := 0;
	BEGIN
		FOR i IN 1 .. calls LOOP
			BEGIN
				EXECUTE sql;
			EXCEPTION WHEN OTHERS THEN
				errors := errors + 1;
			END;
		END LOOP;
		RETURN errors;
	END \$\$});

# Resident memory of the session, and what PostgreSQL's own contexts and open files count for it.
my $measure = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)'),
	(SELECT count(*) FROM pg_backend_memory_contexts),
	(SELECT count(*) FROM pg_ls_dir('/proc/self/fd')),
	(SELECT count(*) FROM regexp_matches(pg_read_file('/proc/self/maps'), '\n', 'g'))};

my @counted = ('memory', 'memory contexts', 'open files', 'mappings');

my %cases = (
	'tokenizing' => [ q{SELECT tfm_tokenize('m', 'The cat sat on the mat.')}, 0 ],
	'a forward pass' => [ q{SELECT tfm_forward('m', '{"input_ids": [[2, 5, 3]]}')}, 0 ],
	'an unknown model' => [ q{SELECT tfm_tokenize('unknown', 'x')}, 1 ],
	'a missing directory' => [ q{SELECT tfm_tokenize('/nonexistent', 'x')}, 1 ],
	'a broken checkpoint' => [ qq{SELECT tfm_tokenize($broken, 'x')}, 1 ],
	'a bad argument' => [ q{SELECT tfm_forward('m', '{"input_ids": [[2, 1000000, 3]]}')}, 1 ],
	'inputs that are no object' => [ q{SELECT tfm_forward('m', '[1]')}, 1 ],
	'a bad token' => [ q{SELECT tfm_detokenize('m', '{-1}')}, 1 ],
	'an error elsewhere' => [ q{SELECT tfm_tokenize('m', 'x') WHERE 1 / (cardinality(tfm_tokenize('m', 'x')) * 0) = 1}, 1 ],
	'a model that comes and goes' => [
		q{DO $do$ BEGIN PERFORM tfm_load_model('n', } . $path
		  . q{); PERFORM tfm_tokenize('n', 'x'); PERFORM tfm_drop_model('n'); END $do$},
		0, 200
	],
);

my $session = $node->background_psql('postgres');
for my $name (sort keys %cases)
{
	my ($sql, $fails, $calls) = @{ $cases{$name} };
	my $run = sub {
		my ($count) = @_;

		return $session->query_safe("SELECT run(\$sql\$$sql\$sql\$, $count)");
	};

	$calls //= CALLS;
	$run->($calls / 10);
	$session->query_safe($measure);
	my @before = split /\|/, $session->query_safe($measure);
	is($run->($calls), $fails * $calls, "$name: $calls times");
	my @after = split /\|/, $session->query_safe($measure);
	cmp_ok($after[0] - $before[0], '<', ALLOWED_KB, 'memory stays');
	cmp_ok($after[$_] - $before[$_], '<', 10, "$counted[$_] stay") for 1 .. 3;
}
$session->quit;

$node->stop;
done_testing();

# Batching in servers: the first statement of a session, rows that change meanwhile, what is
# cancelled, large texts, foreign tables, plans in the log.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('batching', conf => <<'EOC');
jit = off
EOC
my $path = quote_path(golden('sentence/mean'));

$node->safe_psql('postgres', <<"EOC");
SELECT tfm_load_model('m', $path);
ALTER DATABASE postgres SET tfm.embed_model = 'm';
CREATE TABLE docs (id int PRIMARY KEY, body text, kind int, v tfm_vector);
INSERT INTO docs SELECT i, 'text ' || i, i % 4 FROM generate_series(1, 60) i;
CREATE TABLE kinds AS SELECT i AS kind, 'kind ' || i AS title FROM generate_series(0, 3) i;
VACUUM ANALYZE docs, kinds;
EOC

# ---- The first statement of a session ----

my $call = q{tfm_embed('m', body)};

for my $query ("SELECT $call FROM docs",
	'SELECT tfm_embed(body) FROM docs',
	"SELECT count($call) FROM docs",
	"SELECT id FROM docs WHERE $call <-> $call > 0",
	"DECLARE c CURSOR FOR SELECT $call FROM docs")
{
	like($node->safe_psql('postgres', "EXPLAIN $query"), qr/TfmBatch/, "a session's first: $query");
}
like($node->safe_psql('postgres', "EXPLAIN ANALYZE SELECT $call FROM docs"),
	qr/Batches: \d+ +Computed: 60 /, 'it is run so');
is($node->safe_psql('postgres', "SELECT count($call) FROM docs"), 60, 'and has its rows');
like($node->safe_psql('postgres', <<"EOC"), qr/TfmBatch/, 'so is that of a prepared statement');
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT $call FROM docs;
EXPLAIN EXECUTE p;
EOC
my ($first, $second) = split /^second$/m, $node->safe_psql('postgres', <<"EOC");
SET plan_cache_mode = force_generic_plan;
PREPARE p AS SELECT count($call) FROM docs;
EXECUTE p;
\\echo second
EXPLAIN EXECUTE p;
EOC
like($second, qr/TfmBatch/, 'and once more when it is made anew');
for my $kind ('', 'SCROLL', 'NO SCROLL')
{
	is($node->safe_psql('postgres', <<"EOC"), "1\n2\n3", "a session's first cursor $kind");
BEGIN;
DECLARE c $kind CURSOR FOR SELECT id FROM docs WHERE $call IS NOT NULL;
FETCH 2 FROM c;
FETCH 1 FROM c;
EOC
	next if $kind eq 'NO SCROLL';
	is($node->safe_psql('postgres', <<"EOC"), "1\n2\n1", 'goes backward');
BEGIN;
DECLARE c $kind CURSOR FOR SELECT id FROM docs WHERE $call IS NOT NULL;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
EOC
}

# ---- Rows that others change meanwhile ----

# Run a change that waits for one of another session; then the state of the table.
sub change_meanwhile
{
	my ($batching, $theirs, $ours) = @_;

	$node->safe_psql('postgres', q{TRUNCATE docs; INSERT INTO docs SELECT i, 'text ' || i, i % 4 FROM generate_series(1, 60) i});
	my $other = $node->background_psql('postgres');
	my $session = background($node, "SET tfm.batching = $batching; SET application_name = 'waiting';\n$ours;\n");
	$other->query_safe("BEGIN; $theirs");
	$session->{handle}->pump_nb;
	ok(wait_for(sub {
				$node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
					WHERE application_name = 'waiting' AND wait_event_type = 'Lock'}) }),
		'it waits');
	$other->query_safe('COMMIT');
	$session->{handle}->finish;
	$other->quit;
	is($session->{err}, '', 'no error');
	return $session->{out} . $node->safe_psql('postgres', 'SELECT id, body, kind, v FROM docs ORDER BY id');
}

my @changes = (
	[ 'a row to compute', q{UPDATE docs SET body = 'changed' WHERE id = 7},
		q{UPDATE docs SET v = tfm_embed(body)} ],
	[ 'a row that the filter refuses then', q{UPDATE docs SET body = 'changed' WHERE id = 7},
		q{DELETE FROM docs WHERE tfm_embed(body) <-> tfm_embed('text 7') < 1e-6} ],
	[ 'a row that the filter still takes', q{UPDATE docs SET kind = 9 WHERE id = 7},
		q{UPDATE docs SET v = tfm_embed(kind::text) WHERE tfm_embed(body) <-> tfm_embed('text 7') < 1e-6} ],
	[ 'a row of a join', q{UPDATE docs SET body = 'changed', kind = 2 WHERE id = 7},
		q{UPDATE docs d SET v = tfm_embed(body || title) FROM kinds k WHERE k.kind = d.kind} ],
	[ 'a row that goes', q{DELETE FROM docs WHERE id = 7},
		q{UPDATE docs SET v = tfm_embed(body) WHERE tfm_embed(body) IS NOT NULL} ],
	[ 'a row to lock', q{UPDATE docs SET body = 'changed' WHERE id = 7},
		q{SELECT id, tfm_embed(body) FROM docs WHERE tfm_embed(body) <-> tfm_embed('text 8') > 1e-6 FOR UPDATE} ],
	[ 'rows to lock in order', q{UPDATE docs SET body = 'changed' WHERE id = 7},
		q{SELECT id, tfm_embed(body) FROM docs ORDER BY id LIMIT 10 FOR UPDATE} ],
);
for my $change (@changes)
{
	my ($name, $theirs, $ours) = @$change;

	like($node->safe_psql('postgres', "EXPLAIN $ours"), qr/TfmBatch/, "$name: batched");
	is(change_meanwhile('on', $theirs, $ours), change_meanwhile('off', $theirs, $ours), "$name: the same");
}

# ---- Ends before the end ----

$node->safe_psql('postgres', q{CREATE TABLE many AS
	SELECT i AS id, repeat('a query for a document ', 10) || i AS body FROM generate_series(1, 100000) i});
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query("SET statement_timeout = '100ms'");
is($session->query("SELECT count($call) FROM many"), '', 'cancelled');
$session->query('RESET statement_timeout');
is($session->query("SELECT count($call) FROM docs"), 60, 'and the session goes on');
is($session->query("SELECT count(*) FROM (SELECT $call FROM many LIMIT 3) s"), 3, 'a LIMIT ends early');
$session->quit;
is($node->safe_psql('postgres', <<"EOC"), "t\nt\nt", 'so does a cursor, whatever becomes of it');
BEGIN;
DECLARE c CURSOR FOR SELECT $call IS NOT NULL FROM many;
FETCH 2 FROM c;
SAVEPOINT s;
DECLARE d CURSOR FOR SELECT $call IS NOT NULL FROM many;
FETCH 1 FROM d;
ROLLBACK TO s;
EOC
my ($sqlstate, $message) = sql_error($node, "SELECT tfm_embed('m', body, dimensions => 3 - id) FROM docs");
is($sqlstate, '22023', 'the error of a row');
is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT tfm_embed('m', body, dimensions => 3 - id) FROM docs ORDER BY id LIMIT 2) s"),
	2, 'is none where the row is not reached');

# ---- Large and many ----

$node->safe_psql('postgres', q{CREATE TABLE large AS
	SELECT i AS id, string_agg(md5((i * n)::text), ' ') || CASE WHEN i % 3 = 0 THEN repeat(' more', 20000) ELSE '' END AS body
	  FROM generate_series(1, 40) i, generate_series(1, 300) n GROUP BY i});
my $large = q{SELECT md5(string_agg(id || v::text, '' ORDER BY id)) FROM (SELECT id, tfm_embed('m', body) AS v FROM large) s};
my %sums = map { $_ => $node->safe_psql('postgres', "$_; $large") }
  ('SET tfm.batching = off', "SET work_mem = '64kB'", 'SET tfm.batch_tokens = 1', 'SET tfm.batch_tokens = 10000000');
is(scalar(keys %{ { reverse %sums } }), 1, 'the same, whatever the sizes of batches');
my ($copied, $alone) = map {
	$node->safe_psql('postgres', "SET tfm.batching = $_; COPY (SELECT id, $call FROM docs WHERE tfm_embed(body) IS NOT NULL) TO STDOUT")
} ('on', 'off');
is($copied, $alone, 'COPY');

# ---- Others' plans ----

sub available
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = '$_[0]'");
}

SKIP:
{
	skip 'no postgres_fdw', 7 unless available('postgres_fdw');
	my ($host, $port) = ($node->host, $node->port);

	$node->safe_psql('postgres', <<"EOC");
CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
CREATE FOREIGN TABLE far (id int, body text, kind int) SERVER loop OPTIONS (table_name 'docs');
CREATE TABLE parts (id int, body text, kind int) PARTITION BY LIST (kind);
CREATE FOREIGN TABLE part1 PARTITION OF parts FOR VALUES IN (1) SERVER loop OPTIONS (table_name 'docs');
CREATE FOREIGN TABLE part2 PARTITION OF parts FOR VALUES IN (2) SERVER loop OPTIONS (table_name 'docs');
EOC
	for my $query ("SELECT id, $call FROM far WHERE tfm_embed(body) <-> tfm_embed('text 3') > 0.1 ORDER BY id",
		"SELECT count($call) FROM far a JOIN far b USING (id, body)",
		"SELECT id, $call FROM parts ORDER BY id")
	{
		my ($together, $single) = map { $node->safe_psql('postgres', "SET tfm.batching = $_; $query") } ('on', 'off');

		is($together, $single, "foreign: $query");
	}
	$node->safe_psql('postgres', q{ALTER SERVER loop OPTIONS (ADD async_capable 'true')});
	like($node->safe_psql('postgres', "EXPLAIN SELECT id, $call FROM parts"),
		qr/TfmBatch.*Append.*Async Foreign Scan.*Async Foreign Scan/s, 'foreign tables are still read side by side');
	for my $query ("SELECT id, $call FROM parts", "SELECT id, $call FROM parts WHERE tfm_embed(body) IS NOT NULL",
		"SELECT id, $call FROM parts WHERE kind = 1 UNION ALL SELECT 0, tfm_embed('m', 'x' || body) FROM parts")
	{
		my ($together, $single) = map {
			join "\n", sort split /\n/, $node->safe_psql('postgres', "SET tfm.batching = $_; $query")
		} ('on', 'off');

		is($together, $single, "side by side: $query");
	}
}

SKIP:
{
	my $log = -s $node->logfile;
	my ($status) = $node->psql('postgres', <<"EOC");
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_analyze = on;
SELECT count($call) FROM docs;
EOC
	skip 'no auto_explain', 1 if $status != 0;
	like(slurp_file($node->logfile, $log), qr/Custom Scan \(TfmBatch\).*Computed: 60 /s, 'auto_explain');
}

$node->stop;
done_testing();

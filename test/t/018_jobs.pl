# Embedding jobs and their background workers, without preloading: they come with a commit, share the
# work, go when there is none, and stand in nobody's way.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('jobs', allows_streaming => 'logical',
	conf => "tfm.job_workers = 2\ntfm.job_idle_time = 300ms\nmax_worker_processes = 16\n");
my $path = quote_path(golden('sentence/mean'));

sub query
{
	my ($sql, $database) = @_;
	return $node->safe_psql($database // 'postgres', $sql);
}

# How many rows of a table do not have the embedding of their text.
sub wrong
{
	my ($table, $database) = @_;
	return query("SELECT count(*) FROM $table WHERE embedding IS DISTINCT FROM tfm_embed('m', body)",
		$database);
}

sub done
{
	my ($database) = @_;
	return wait_for(sub { query('SELECT coalesce(sum(backlog), 0) + count(*) FILTER (WHERE state = $$filling$$) FROM tfm_stat_jobs', $database) == 0 });
}

sub workers
{
	my ($database) = @_;
	return query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'tfm job worker' AND datname = '"
		  . ($database // 'postgres') . "'");
}

# Until all is done and the workers have gone, so that what comes next meets no batch that has bound a
# model already.
sub settle
{
	my ($database) = @_;

	done($database) && wait_for(sub { workers($database) == 0 }) || die "workers stay\n";
}

# A database with a model, a table and a job.
sub create
{
	my ($database) = @_;

	query("CREATE DATABASE $database");
	query("CREATE EXTENSION tfm; SELECT tfm_load_model('m', $path);
		CREATE TABLE docs (id int PRIMARY KEY, body text, embedding tfm_vector);
		SELECT tfm_create_embedding_job('docs', 'body', 'embedding', 'm')", $database);
	settle($database);
}

query("SELECT tfm_load_model('m', $path);
	CREATE TABLE docs (id int PRIMARY KEY, body text, embedding tfm_vector);
	INSERT INTO docs SELECT i, 'text ' || i FROM generate_series(1, 3000) i;");
query("SELECT tfm_create_embedding_job('docs', 'body', 'embedding', 'm')");
ok(done(), 'existing rows are embedded');
is(wrong('docs'), '0', 'rightly');
ok(wait_for(sub { workers() == 0 }), 'the workers end');
query("INSERT INTO docs VALUES (0, 'new')");
ok(done(), 'a commit starts one');
is(wrong('docs'), '0', 'which embeds the row');

# Sessions that change the same rows while workers embed them
my @sessions = map {
	my $n = $_;
	background($node, join '', map {
		my $i = $_;
		"UPDATE docs SET body = 'session $n change $i' WHERE id = " . (($i * 7) % 20) . ";\n"
		  . "DELETE FROM docs WHERE id = " . (20 + ($i + $n) % 5) . ";\n"
		  . "INSERT INTO docs VALUES (" . (20 + ($i + $n) % 5) . ", 'session $n') ON CONFLICT DO NOTHING;\n"
	} 1 .. 60)
} 1 .. 3;
for (@sessions)
{
	eval { $_->{handle}->finish };
	is($_->{err}, '', 'a session meets no worker');
}
ok(done(), 'all is done');
is(wrong('docs'), '0', 'and nothing is lost');
is(query('SELECT count(*) FROM tfm_job_queue'), '0', 'the queue is empty');

# A row that a transaction has locked keeps nobody waiting
my $locker = $node->background_psql('postgres', on_error_stop => 1);
$locker->query_safe('BEGIN; SELECT FROM docs WHERE id = 1 FOR UPDATE');
query("UPDATE docs SET body = 'changed' WHERE id BETWEEN 2 AND 50");
query("INSERT INTO tfm_job_queue (job, key) VALUES (1, '{1}')");
ok(wait_for(sub { query('SELECT backlog FROM tfm_stat_jobs') == 1 && wrong('docs') == 0 }), 'a locked row is passed over');
$locker->query_safe("UPDATE docs SET body = 'at last' WHERE id = 1; COMMIT");
$locker->quit;
ok(done(), 'and is done when it is free');
is(wrong('docs'), '0', 'with its last text');

# Nor does a table that is locked: the worker waits without holding anything that the session wants
$locker = $node->background_psql('postgres', on_error_stop => 1);
query("INSERT INTO tfm_job_queue (job, key) SELECT 1, ARRAY[i::text] FROM generate_series(1, 300) i");
$locker->query_safe('BEGIN; LOCK TABLE docs');
query('SELECT tfm_start_job_worker()');
ok(wait_for(sub { query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'tfm job worker' AND wait_event_type = 'Lock'") > 0 }),
	'a worker waits for a table');
$locker->query_safe("UPDATE docs SET body = 'while locked' WHERE id <= 300; COMMIT");
$locker->quit;
ok(done(), 'and goes on');
is(wrong('docs'), '0', 'with the last texts');

# Workers that are terminated or cancelled at any time
query("UPDATE docs SET body = body || '!'");
for (1 .. 6)
{
	query("SELECT " . ($_ % 2 ? 'pg_terminate_backend' : 'pg_cancel_backend')
		  . "(pid) FROM pg_stat_activity WHERE backend_type = 'tfm job worker'");
	query("UPDATE docs SET body = 'again' WHERE id = $_");
	select(undef, undef, undef, 0.03);
}
query("SELECT tfm_resume_embedding_job('docs_embedding')");
ok(done(), 'terminated workers are replaced');
is(wrong('docs'), '0', 'and lose nothing');

# One job that cannot work does not stop another
query("SELECT tfm_load_model('other', $path);
	CREATE TABLE more (id int PRIMARY KEY, body text, embedding tfm_vector);
	SELECT tfm_create_embedding_job('more', 'body', 'embedding', 'other')");
settle();
query("SELECT tfm_drop_model('other')");
query("INSERT INTO more VALUES (1, 'a'); INSERT INTO docs VALUES (9001, 'b')");
ok(wait_for(sub { wrong('docs') == 0 }), 'the other job goes on');
ok(wait_for(sub { query("SELECT state FROM tfm_stat_jobs WHERE job = 'more_embedding'") eq 'error' }),
	'the one that cannot says so');
is(query("SELECT backlog FROM tfm_stat_jobs WHERE job = 'more_embedding'"), '1', 'and keeps its row');
query("SELECT tfm_load_model('other', $path)");
ok(done(), 'and goes on by itself when it can');

# An embedding that is no vector is the row's error
my $overflows = copy_checkpoint('sentence/mean');
change_weights($overflows, 'inf');
query("SELECT tfm_load_model('overflows', " . quote_path($overflows) . ");
	CREATE TABLE never (id int PRIMARY KEY, body text, embedding tfm_vector);
	INSERT INTO never VALUES (1, 'a'), (2, 'a [PAD]');
	SELECT tfm_create_embedding_job('never', 'body', 'embedding', 'overflows', max_attempts => 1)");
ok(wait_for(sub { query("SELECT set_aside FROM tfm_stat_jobs WHERE job = 'never_embedding'") == 1 }), 'infinite numbers are set aside');
is(query('SELECT DISTINCT sqlstate FROM tfm_job_errors'), '22003', 'with their error');
is(query('SELECT array_agg(id) FROM never WHERE embedding IS NOT NULL'), '{1}', 'and not stored');
query("SELECT tfm_drop_embedding_job('never_embedding')");

# A database can be dropped while its worker waits for a retry; so can the extension
create('dropped');
query("SELECT tfm_drop_model('m'); INSERT INTO docs VALUES (1, 'a')", 'dropped');
ok(wait_for(sub { query('SELECT state FROM tfm_stat_jobs', 'dropped') eq 'error' }), 'a worker waits');
cmp_ok(workers('dropped'), '>', 0, 'in its database');
query('DROP DATABASE dropped');
ok(1, 'which can be dropped');
create('bare');
query("SELECT tfm_drop_model('m'); INSERT INTO docs VALUES (1, 'a')", 'bare');
ok(wait_for(sub { query('SELECT state FROM tfm_stat_jobs', 'bare') eq 'error' }), 'a worker waits');
query('DROP EXTENSION tfm CASCADE', 'bare');
ok(wait_for(sub { workers('bare') == 0 }), 'and ends with the extension');

# Dump and restore
create('source');
query("SELECT tfm_pause_embedding_job('docs_embedding')", 'source');
query("INSERT INTO docs VALUES (1, 'one'), (2, 'two')", 'source');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
query('CREATE DATABASE over');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('source') ], 'dump');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('over'), $dump ], 'restore');
$node->command_ok([ 'pg_restore', '--clean', '--exit-on-error', '-d', $node->connstr('over'), $dump ], 'restore over it');
is(query('SELECT state, backlog FROM tfm_stat_jobs', 'over'), 'paused|2', 'the job and its queue are there');
query("CREATE TABLE parts (id int PRIMARY KEY, body text, embedding tfm_vector) PARTITION BY RANGE (id);
	CREATE TABLE a_part PARTITION OF parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE z_part PARTITION OF parts FOR VALUES FROM (10) TO (20);
	SELECT tfm_create_embedding_job('parts', 'body', 'embedding', 'm');
	SELECT tfm_pause_embedding_job('parts_embedding');
	INSERT INTO parts VALUES (1, 'a'), (11, 'z')", 'source');
query('CREATE DATABASE copy');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('source') ], 'dump with partitions');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'restore');
is(query("SELECT state, backlog FROM tfm_stat_jobs WHERE job = 'docs_embedding'", 'copy'), 'paused|2', 'the job and its queue are there');
query("INSERT INTO docs VALUES (3, 'three')", 'copy');
query("INSERT INTO a_part VALUES (2, 'direct')", 'copy');
query("SELECT tfm_resume_embedding_job(job) FROM tfm_stat_jobs", 'copy');
ok(done('copy'), 'goes on');
is(wrong('docs', 'copy'), '0', 'with all rows');
is(wrong('parts', 'copy'), '0', 'of partitions, too');
query("CREATE TABLE second (id int PRIMARY KEY, body text, embedding tfm_vector);
	SELECT tfm_create_embedding_job('second', 'body', 'embedding', 'm')", 'copy');
is(query('SELECT count(DISTINCT id) FROM tfm_job', 'copy'), '3', 'and others can be made');

# What a subscription applies is embedded on its side
query('CREATE TABLE published (id int PRIMARY KEY, body text)', 'source');
query("INSERT INTO published VALUES (1, 'before')", 'source');
query('CREATE PUBLICATION p FOR TABLE published', 'source');
query("SELECT pg_create_logical_replication_slot('s', 'pgoutput')", 'source');
query("CREATE TABLE published (id int PRIMARY KEY, body text, embedding tfm_vector);
	SELECT tfm_create_embedding_job('published', 'body', 'embedding', 'm')", 'copy');
query('CREATE SUBSCRIPTION s CONNECTION $$' . $node->connstr('source') . '$$ PUBLICATION p WITH (create_slot = false, slot_name = s)', 'copy');
query("INSERT INTO published VALUES (2, 'after'), (3, 'third'); UPDATE published SET body = 'changed' WHERE id = 3", 'source');
ok(wait_for(sub { query("SELECT count(*) FROM published WHERE embedding = tfm_embed('m', body)", 'copy') == 3 }), 'replicated rows are embedded');
query('TRUNCATE published', 'source');
ok(wait_for(sub { query('SELECT count(*) FROM published', 'copy') == 0 }), 'truncated');
query('ALTER SUBSCRIPTION s DISABLE', 'copy');
query('ALTER SUBSCRIPTION s SET (slot_name = NONE)', 'copy');
query('DROP SUBSCRIPTION s', 'copy');

$node->stop;
done_testing();

# Embedding jobs lose nothing when the server crashes, restarts, or a standby is promoted.  The library
# is preloaded here, so that workers start with the server.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

my $node = start_node('crash', allows_streaming => 1,
	conf => "shared_preload_libraries = 'tfm'\nrestart_after_crash = on\n");
my $path = quote_path(golden('sentence/mean'));

sub query
{
	my ($sql, $on) = @_;
	return ($on // $node)->safe_psql('postgres', $sql);
}

# What a server says that may go down meanwhile, even before psql has told it the query.
sub try_query
{
	my ($sql) = @_;
	my ($out, $err);

	eval { $node->psql('postgres', $sql, stdout => \$out, stderr => \$err) };
	return $out // '';
}

my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'tfm job worker' AND query <> ''";
my $left = 'SELECT backlog FROM tfm_stat_jobs';
my $wrong = q{SELECT count(*) FROM docs WHERE embedding IS DISTINCT FROM tfm_embed('m', body)};

query("SELECT tfm_load_model('m', $path);
	CREATE TABLE docs (id int PRIMARY KEY, body text, embedding tfm_vector);
	INSERT INTO docs SELECT i, 'text ' || i FROM generate_series(1, 8000) i;");
query("SELECT tfm_create_embedding_job('docs', 'body', 'embedding', 'm', batch_size => 50)");

# Kill the worker in the middle, twice; nobody commits anything that could start another.
for (1 .. 2)
{
	ok(wait_for(sub { my $l = try_query($left); $l ne '' && $l > 500 && $l < 8000 && try_query('SELECT done FROM tfm_stat_jobs') > 0 }), 'a worker is at work');
	my $before = incarnation($node);
	my $pid = try_query($worker);
	ok($pid =~ /^\d+$/ && kill('KILL', $pid), 'kill it');
	ok(is_restarted($node, $before), 'the server recovers');
}
ok($node->poll_query_until('postgres', 'SELECT backlog = 0 AND state = $$idle$$ FROM tfm_stat_jobs'), 'workers start by themselves');
is(query($wrong), '0', 'nothing is lost');
is(query('SELECT count(*) FROM tfm_job_queue'), '0', 'or taken for ever');

# Stopped at once in the middle, and started again
query("UPDATE docs SET body = body || '!'");
$node->stop('immediate');
$node->start;
ok($node->poll_query_until('postgres', 'SELECT backlog = 0 FROM tfm_stat_jobs'), 'a restart starts a worker');
is(query($wrong), '0', 'nothing is lost');

# A standby has no workers, until it is promoted
$node->backup('before');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'before', has_streaming => 1);
$standby->start;
$node->append_conf('postgresql.conf', "tfm.job_workers = 0\n");
$node->reload;
ok($node->poll_query_until('postgres', 'SHOW tfm.job_workers', '0'), 'no workers on the primary');
query("INSERT INTO docs SELECT i, 'late ' || i FROM generate_series(9001, 9100) i");
$node->wait_for_catchup($standby, 'replay', $node->lsn('write'));
is(query($left, $standby), '100', 'the queue is on the standby');
is(query("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'tfm job%'", $standby), '0', 'where nobody works');
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', 'SELECT backlog = 0 FROM tfm_stat_jobs'), 'promoted, it works');
is(query($wrong, $standby), '0', 'nothing is lost');

$standby->stop;
done_testing();

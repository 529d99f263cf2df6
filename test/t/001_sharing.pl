# Sessions share the weights: one image, mapped by all.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TfmTest;

use constant SESSIONS => 8;
use constant MEGABYTE => 1024 * 1024;

my $node = start_node('sharing');
my $path = quote_path(big_checkpoint(64));
my $use = q{SELECT jsonb_typeof(tfm_forward('big', '{"input_ids": [[2, 5, 3]]}'))};

# Bytes of memory that a process has, shared pages counted in parts; of its image alone.
sub memory
{
	my ($pid) = @_;
	my ($all, $image, $in_image) = (0, 0, 0);

	for (split /\n/, slurp_file("/proc/$pid/smaps"))
	{
		$in_image = /\.tfm$/ if /^[0-9a-f]+-[0-9a-f]+ /;
		next unless /^Pss:\s+(\d+) kB/;
		$all += $1 * 1024;
		$image += $1 * 1024 if $in_image;
	}
	return ($all, $image);
}

$node->safe_psql('postgres', "SELECT tfm_load_model('big', $path)");
my ($file, @more) = images($node);
is(scalar @more, 0, 'one image');
my $size = -s $file;
cmp_ok($size, '>=', 64 * MEGABYTE, 'the image holds the weights');

my @sessions = map { $node->background_psql('postgres') } 1 .. SESSIONS;
my @pids = map { $_->query_safe('SELECT pg_backend_pid()') } @sessions;
$_->query_safe('SELECT count(*) FROM pg_class') for @sessions;
my @before = map { (memory($_))[0] } @pids;
is($_->query_safe($use), 'object', 'a session uses the model') for @sessions;

my ($mapped, $grown) = (0, 0);
for my $i (0 .. $#pids)
{
	my ($all, $image) = memory($pids[$i]);

	$mapped += $image;
	$grown += $all - $before[$i];
}
cmp_ok($mapped, '<=', $size + MEGABYTE, 'all sessions together map one copy of the image');
cmp_ok($mapped, '>=', $size / 2, 'and have read it');
cmp_ok($grown, '<=', $size + SESSIONS * 5 * MEGABYTE, 'a session takes little beside it');
$_->quit for @sessions;

# With a model of usual size, in sessions that embed texts of all lengths in all ways.
SKIP:
{
	skip 'the default model is not there', SESSIONS + 1 unless $ENV{TFM_MINILM};

	$path = quote_path($ENV{TFM_MINILM});
	$node->safe_psql('postgres', "SELECT tfm_load_model('minilm', $path)");
	my $beside = 0;

	@sessions = map { $node->background_psql('postgres') } 1 .. SESSIONS;
	for my $session (@sessions)
	{
		$session->query_safe(q{SELECT count(tfm_embed('minilm', repeat('one more word ', i)))
			FROM unnest('{1,2,3,20,100}'::int[]) AS i});
		is($session->query_safe(q{SELECT cardinality(tfm_embed('minilm',
				array_agg(repeat('one more word ', i) || i))) FROM generate_series(1, 32) AS i}),
			32, 'a session embeds');
	}
	for my $session (@sessions)
	{
		my ($all, $image) = memory($session->query_safe('SELECT pg_backend_pid()'));

		$beside += $all - $image;
	}
	note(sprintf('%.1f MB a session beside the image', $beside / SESSIONS / MEGABYTE));
	cmp_ok($beside, '<=', SESSIONS * 12 * MEGABYTE, 'sessions take at most 12 MB each');
	$_->quit for @sessions;
}

# A batch leaves little behind.
$path = quote_path(golden('sentence/mean'));
$node->safe_psql('postgres', "SELECT tfm_load_model('tiny', $path)");
my $session = $node->background_psql('postgres');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe(q{SELECT tfm_embed('tiny', 'hello')});
my ($before) = memory($pid);
$session->query_safe(q{SELECT cardinality(tfm_embed('tiny', array_agg('a query for a document ' || i)))
	FROM generate_series(1, 20000) AS i});
cmp_ok((memory($pid))[0] - $before, '<=', 20 * MEGABYTE, 'a session keeps little after a batch');
$session->quit;

# A session that has computed with two threads and waits for its user takes no processor time.
sub processor_time
{
	my ($pid) = @_;
	my @fields = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //r;

	return $fields[11] + $fields[12];
}

$session = $node->background_psql('postgres');
$pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe(q{SET tfm.threads = 2; SELECT tfm_embed('tiny', repeat('some words ', 200))});
is(scalar(my @threads = glob("/proc/$pid/task/*")), 2, 'a session has two threads');
sleep 1;
my $ticks = processor_time($pid);
sleep 2;
cmp_ok(processor_time($pid) - $ticks, '<=', 1, 'that sleep when it is idle');
$session->quit;
ok(wait_for(sub { !-e "/proc/$pid" }), 'and end with it');

# Statements over so many texts are parallel where that pays, and are not compiled.
$node->safe_psql('postgres', q{
	CREATE TABLE texts AS SELECT 'text ' || i AS body FROM generate_series(1, 20000) AS i;
	ANALYZE texts});
my $plan = decode_json($node->safe_psql('postgres', q{
	SET max_parallel_workers_per_gather = 0;
	EXPLAIN (FORMAT json) SELECT tfm_embed('tiny', body) FROM texts}));
cmp_ok($plan->[0]{Plan}{'Total Cost'}, '<', 100000, 'a plan is too cheap for JIT');
like($node->safe_psql('postgres', q{
	SET min_parallel_table_scan_size = 0;
	EXPLAIN SELECT tfm_embed('tiny', body) FROM texts}), qr/Gather/, 'and parallel');

# For the reader: a machine may be busy, so that no time is too long.
my $best = 1e9;
for (1 .. 5)
{
	my $milliseconds = $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE began AS SELECT clock_timestamp() AS at;
		DO \$\$ BEGIN PERFORM tfm_forward('big', '{"input_ids": [[2, 5, 3]]}'); END \$\$;
		SELECT 1000 * extract(epoch FROM clock_timestamp() - at) FROM began});
	$best = $milliseconds if $milliseconds < $best;
}
note("the first use in a session takes $best ms");

$node->stop;
done_testing();

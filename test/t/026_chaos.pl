# Mixed load while backends, the server, models and the disk fail: whatever is answered is right, and
# nothing of it is left at the end.
#
# It runs for TFM_CHAOS_SECONDS (15 unless told; no promise about speed), and until each kind of
# trouble was there once.  TFM_CHAOS_SEED, printed at the beginning, makes the same choices again,
# though not the same course of things.
#
# The load is a process for each kind, which runs sessions of psql one after the other, and compares
# every line of theirs with what the same texts gave before the trouble began.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use List::Util qw(shuffle sum0);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable qw(store retrieve);
use Test::More;
use TfmTest;

use constant TEXTS => 120;
use constant PROMPTS => 8;

# What a session may grow by after its first calls, in kB.
use constant GROWTH => 16 * 1024;

# A session that takes longer is stuck, in seconds.
use constant STUCK => 120;

# No file may be larger than this while the disk is full.
use constant LIMIT => 16 * 1024 * 1024;

my $seconds = $ENV{TFM_CHAOS_SECONDS} // 15;
my $seed = $ENV{TFM_CHAOS_SEED} // time ^ ($$ << 8);
my $place = PostgreSQL::Test::Utils::tempdir();
my $test = $$;

srand($seed);
note("seed $seed, $seconds seconds");

my $node = start_node('chaos', extra => ['--wal-segsize=1'],
	conf => "shared_preload_libraries = 'tfm'\nrestart_after_crash = on\nlog_statement = none\n"
	  . "max_connections = 50\ntfm.worker_queue = 64\n");

# ---------------------------------------------------------------------------
# Models and what they say
# ---------------------------------------------------------------------------

# The tiny model and one with other weights; a directory that is now the one, now the other.
my $one = golden('sentence/mean');
my $other = copy_checkpoint('sentence/mean', "$place/other");
my $shifting = copy_checkpoint('sentence/mean', "$place/shifting");
my $big = big_checkpoint(32);

change_bias($other);
load_model('mini', $one);
load_model('other', $other);
load_model('fleeting', $one);
load_model('turning', $one);
load_model('shifting', $shifting);
load_model('writer', golden('generation/llama'));
$node->safe_psql('postgres', qq{
	CREATE TABLE texts AS SELECT i, 'text number ' || i || repeat(' and more', i % 40) AS body FROM generate_series(1, @{[TEXTS]}) AS i;
	CREATE TABLE docs (id bigint PRIMARY KEY, body text, embedding tfm_vector(16));
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON docs
		FOR EACH ROW EXECUTE FUNCTION tfm_embed_trigger('body', 'embedding', 'mini');
	CREATE TABLE notes (id bigint PRIMARY KEY, body text, embedding tfm_vector(16));
	SELECT tfm_create_embedding_job('notes', 'body', 'embedding', 'mini')});

# $known{kind}{key}: the values that are right.
my %known;
know('mini', q{SELECT i, tfm_embed('mini', body) FROM texts});
know('changing', q{SELECT i, tfm_embed(m, body) FROM texts, unnest('{mini,other}'::text[]) AS m});
know('writer', qq{SELECT i, md5(tfm_generate('writer', 'prompt ' || i, max_new_tokens => 8)) FROM generate_series(1, @{[PROMPTS]}) AS i});
is(scalar(grep { keys %$_ == 2 } values %{ $known{changing} }), TEXTS, 'the other model says something else');

sub load_model
{
	my ($name, $path) = @_;
	$node->safe_psql('postgres', "SELECT tfm_load_model('$name', " . quote_path($path) . ', replace => true)');
}

sub know
{
	my ($kind, $sql) = @_;

	for (split /\n/, $node->safe_psql('postgres', $sql))
	{
		my ($key, $value) = split /\|/, $_, 2;
		$known{$kind}{$key}{$value} = 1;
	}
}

# Another bias, so that every embedding is another.
sub change_bias
{
	my ($directory) = @_;

	edit_header($directory, sub {
		my ($header) = @_;
		@$header{ 'encoder.layer.0.output.LayerNorm.bias', 'embeddings.LayerNorm.bias' } =
		  @$header{ 'embeddings.LayerNorm.bias', 'encoder.layer.0.output.LayerNorm.bias' };
	});
}

# ---------------------------------------------------------------------------
# Load
# ---------------------------------------------------------------------------

# What a session may always be told: that it or the server is ended, its statement cancelled, or its
# call lost with the engine process that had it.
my $ended = qr/57P01|57P02|57P03|57014|40001/;

# Kinds of load: a script for a session, and what else it may be told.
my %loads = (
	single => { script => \&single_script, processes => 2 },
	batch => { script => \&batch_script },
	generate => { script => \&generate_script },
	changing => { script => \&changing_script, told => qr/42704|55000/ },
	insert => { script => \&insert_script },
	queue => { script => \&queue_script },
	hurried => { script => \&hurried_script },
);

my $memory = q{substring(pg_read_file('/proc/self/status') FROM 'RssAnon:\s+(\d+)')};

sub pick
{
	return 1 + int rand $_[0];
}

# A statement that gives rows "kind|key|value", and how many of them there are if it ends well.
sub rows
{
	my ($kind, $count, $select) = @_;
	return "SELECT '$kind', $select;\n\\echo rows :ERROR :ROW_COUNT $count\n";
}

sub single_script
{
	my $one = sub {
		join '', map { rows('mini', 1, "i, tfm_embed('mini', body) FROM texts WHERE i = " . pick(TEXTS)) } 1 .. $_[0];
	};
	return $one->(20) . "SELECT 'memory', 'before', $memory;\n" . $one->(60) . "SELECT 'memory', 'after', $memory;\n";
}

sub batch_script
{
	my $script = '';

	for (1 .. 5)
	{
		my ($first, $last) = sort { $a <=> $b } pick(TEXTS), pick(TEXTS);

		$script .= rows('mini', $last - $first + 1,
			"i, tfm_embed('mini', body) FROM texts WHERE i BETWEEN $first AND $last");
		$script .= rows('mini', TEXTS,
			"i, e FROM (SELECT array_agg(i) AS a, tfm_embed('mini', array_agg(body)) AS b FROM texts) AS t, unnest(a, b) AS u (i, e)");
	}
	return $script;
}

sub generate_script
{
	my $call = q{i, md5(tfm_generate('writer', 'prompt ' || i, max_new_tokens => 8)) FROM generate_series};

	return join '', map { rows('writer', 1, "$call($_, $_) AS i"), rows('writer', PROMPTS, "$call(1, @{[PROMPTS]}) AS i") }
	  map { pick(PROMPTS) } 1 .. 4;
}

# Models that come, go and become others.
sub changing_script
{
	return join '', map { rows('changing', 1, "i, tfm_embed('$_', body) FROM texts WHERE i = " . pick(TEXTS)) }
	  map { (qw(fleeting turning shifting))[ rand 3 ] } 1 .. 30;
}

# A row is there once its id was returned.
my $next_id = 1;

sub insert_script
{
	return join '', map { my $id = $next_id++; "INSERT INTO docs VALUES ($id, 'document $id') RETURNING 'row', id, '';\n" } 1 .. 20;
}

# Rows of which a job makes embeddings; some change and some go before it has come to them.
sub queue_script
{
	my $script = '';

	for (1 .. 10)
	{
		my ($first, $last) = ($next_id, $next_id + 9);

		$next_id = $last + 1;
		$script .= "INSERT INTO notes SELECT i, 'note ' || i FROM generate_series($first, $last) AS i RETURNING 'note', id, '';\n"
		  . "UPDATE notes SET body = 'changed ' || id WHERE id = $first + " . int(rand 10) . ";\n"
		  . "DELETE FROM notes WHERE id = " . -pick($last) . ";\n"
		  . "INSERT INTO notes VALUES (-$first, 'fleeting'), (-$last, 'fleeting');\n";
	}
	return $script;
}

sub hurried_script
{
	return join '', map { sprintf "SET statement_timeout = '%dms';\n%s", pick(40),
		rows('mini', TEXTS, "i, tfm_embed('mini', body) FROM texts") } 1 .. 10;
}

# What a session said: counts what is right and keeps what is not.
sub judge
{
	my ($load, $result, $out, $err, $status) = @_;
	my %seen;

	for (split /\n/, $out)
	{
		my ($kind, $key, $value) = split /\|/, $_, 3;

		if (/^rows (\S+) (\d+) (\d+)$/)
		{
			push @{ $result->{wrong} }, "$2 rows, not $3" if $1 eq 'false' && $2 != $3;
		}
		elsif (!defined $value) { push @{ $result->{wrong} }, $_ }
		elsif ($kind eq 'memory') { $seen{$key} = $value }
		elsif ($kind eq 'row' || $kind eq 'note') { push @{ $result->{$kind} }, $key; $result->{right}++ }
		elsif ($known{$kind}{$key}{$value}) { $result->{right}++ }
		else { push @{ $result->{wrong} }, $_ }
	}
	push @{ $result->{wrong} }, 'a session is stuck' if $status == 124;
	my $growth = ($seen{after} // 0) - ($seen{before} // 0);
	push @{ $result->{wrong} }, "grew by $growth kB" if defined $seen{after} && $growth > GROWTH;
	for ($err =~ /^.*?(?:ERROR|FATAL|PANIC): .*$/mg)
	{
		my ($sqlstate) = /(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}):/;

		next unless defined $sqlstate;    # of a connection: libpq does not say
		next if /could not extend file .*: File too large/;    # a table, in a session that has begun on a full disk
		$result->{told}{$sqlstate}++;
		push @{ $result->{wrong} }, $_
		  unless $sqlstate =~ $ended || defined $load->{told} && $sqlstate =~ $load->{told};
	}
	push @{ $result->{wrong} }, "psql ended with $status: $err"
	  if $status != 0 && $status != 124
	  && $err !~ /connection to server|server closed the connection|connection not open|FATAL:|terminating connection/;
}

# Sessions of one kind, one after the other, until the file "stop" is there or the test has ended.
sub run_load
{
	my ($name, $number) = @_;
	my $load = $loads{$name};
	my $result = { right => 0, sessions => 0, wrong => [], told => {} };

	my $database = '"' . $node->connstr('postgres') . '"';
	my $file = "$place/load.$number";

	srand($seed + $number);
	$ENV{PGAPPNAME} = 'load';
	until (-e "$place/stop" || getppid() != $test)
	{
		my $executor = (qw(auto worker session))[ rand 3 ];

		write_raw("$file.sql", "SET tfm.executor = '$executor';\n" . $load->{script}->());
		my $status = system("timeout @{[STUCK]} psql -XAtq -v VERBOSITY=verbose -d $database <$file.sql >$file.out 2>$file.err");

		judge($load, $result, slurp_file("$file.out"), slurp_file("$file.err"), $status >> 8);
		$result->{sessions}++;
	}
	store($result, "$place/result.$number");
}

sub start_load
{
	my ($name, $number) = @_;
	my $pid = fork // die "fork: $!";

	return $pid if $pid;
	eval { run_load($name, $number) };
	warn $@ if $@;
	POSIX::_exit($@ ? 1 : 0);    # not the tests' own end
}

# ---------------------------------------------------------------------------
# Trouble
# ---------------------------------------------------------------------------

my %troubles = (
	'a backend is terminated' => sub { signal_backends('pg_terminate_backend', 2) },
	'statements are cancelled' => sub { signal_backends('pg_cancel_backend', 4) },
	'a backend is killed' => \&kill_backend,
	'job workers are terminated' => sub { quietly("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type ~ '^tfm job'") },
	'job workers are cancelled' => sub { quietly("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type ~ '^tfm job'") },
	'an engine process is killed' => sub { signal_engine('KILL') },
	'an engine process stands still' => sub { signal_engine('STOP'); pause(); signal_engine('CONT') },
	'a worker is terminated' => sub { quietly('SELECT pg_terminate_backend(pid) FROM tfm_stat_workers') },
	'a model goes and comes' => sub {
		quietly(q{SELECT tfm_drop_model('fleeting')});
		pause();
		load_model('fleeting', $one);
	},
	'a model becomes another' => sub { load_model('turning', rand() < 0.5 ? $one : $other) },
	'a checkpoint changes' => \&change_checkpoint,
	'images are removed' => sub { quietly(q{SELECT tfm_prune_images('0 seconds')}); unlink((images($node))[0]) },
	'the server is restarted' => sub { $node->stop; $node->start },
	'the server is stopped at once' => sub { $node->stop('immediate'); $node->start },
	'the disk is full' => \&fill_disk,
);

sub pause
{
	select(undef, undef, undef, 0.05 + rand 0.3);
}

sub quietly
{
	my ($sql) = @_;
	my $status = eval { ($node->psql('postgres', $sql))[0] };

	return $status // 2; # the server went down before psql had told it the query
}

sub signal_backends
{
	my ($function, $most) = @_;

	quietly("SELECT $function(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'load' ORDER BY random() LIMIT "
		  . pick($most) . ') AS s');
}

sub signal_engine
{
	my ($signal) = @_;

	kill $signal, grep { $_ } split /\n/,
	  $node->safe_psql('postgres', 'SELECT engine_pid FROM tfm_stat_workers WHERE engine_pid IS NOT NULL');
}

# The server ends all sessions then, recovers, and is there again.
sub kill_backend
{
	my $pid;

	for (1 .. 100)
	{
		$pid = $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE application_name = 'load' OR backend_type = 'tfm job worker' ORDER BY random() LIMIT 1});
		last if $pid;
	}
	return unless $pid;
	kill 'KILL', $pid;
	pause();
	wait_for(sub { quietly('SELECT 1') == 0 }, STUCK) or die 'the server does not come back';
}

# Other weights, renamed to their place; the name follows once it is told to.
sub change_checkpoint
{
	my $to = "$shifting/model.safetensors";

	write_raw("$to.new", slurp_raw((rand() < 0.5 ? $one : $other) . '/model.safetensors'));
	rename "$to.new", $to or die "$to: $!";
	pause();
	$node->safe_psql('postgres', q{SELECT tfm_refresh_model('shifting')});
}

# To a process that may write no larger file its disk is full.
sub fill_disk
{
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my $use = 'SELECT tfm_load_model($$big$$, ' . quote_path($big) . ')';

	system("prlimit --pid $postmaster --fsize=" . LIMIT . ':unlimited >/dev/null 2>&1') == 0 or return;
	unlink grep { -s $_ > LIMIT } images($node);
	my ($sqlstate) = sql_error($node, $use);
	system_or_bail('prlimit', '--pid', $postmaster, '--fsize=unlimited:unlimited');
	is($sqlstate, '53100', 'no room for an image is an error');
	$node->safe_psql('postgres', "$use; SELECT tfm_drop_model('big')");
}

# ---------------------------------------------------------------------------
# The course of things
# ---------------------------------------------------------------------------

my @running;
for my $name (sort keys %loads)
{
	push @running, { name => $name, pid => start_load($name, scalar @running), number => scalar @running }
	  for 1 .. $loads{$name}{processes} // 1;
}

my (%done, @next);
my $end = now() + $seconds;
while (now() < $end || @next || keys %done < keys %troubles)
{
	@next = shuffle sort keys %troubles unless @next;
	my $name = shift @next;

	pause();
	note($name);
	$troubles{$name}->();
	$done{$name}++;
	@next = () if now() >= $end && keys %done == keys %troubles;
}
write_raw("$place/stop", '');

# ---------------------------------------------------------------------------
# What is left
# ---------------------------------------------------------------------------

my %acknowledged = (row => [], note => []);
for my $load (@running)
{
	waitpid $load->{pid}, 0;
	is($?, 0, "$load->{name}: ends");
	my $result = -e "$place/result.$load->{number}" ? retrieve("$place/result.$load->{number}") : { wrong => ['nothing'] };

	cmp_ok($result->{right} // 0, '>', 0, "$load->{name}: was served");
	is(scalar @{ $result->{wrong} }, 0, "$load->{name}: nothing wrong")
	  or diag(join "\n", @{ $result->{wrong} }[ 0 .. ($#{ $result->{wrong} } < 9 ? $#{ $result->{wrong} } : 9) ]);
	note(sprintf '%s: %d right in %d sessions; told %s', $load->{name}, $result->{right} // 0, $result->{sessions} // 0,
		join ', ', map { "$_ $result->{told}{$_} times" } sort keys %{ $result->{told} });
	push @{ $acknowledged{$_} }, @{ $result->{$_} // [] } for keys %acknowledged;
}
note(map { "$_: $done{$_} times\n" } sort keys %done);

# Every row that was acknowledged is there, and every row has its embedding: at once, or once the job
# has come to it.
for my $case ([ 'docs', 'row' ], [ 'notes', 'note' ])
{
	my ($table, $kind) = @$case;
	my %there = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', "SELECT id FROM $table");

	is(scalar(grep { !$there{$_} } @{ $acknowledged{$kind} }), 0,
		"$table: all of " . @{ $acknowledged{$kind} } . ' acknowledged rows are there');
	$kind eq 'row' || wait_for(sub { $node->safe_psql('postgres', 'SELECT backlog FROM tfm_stat_jobs') == 0 }, STUCK);
	is($node->safe_psql('postgres', "SELECT count(*) FROM $table WHERE embedding IS DISTINCT FROM tfm_embed('mini', body)"),
		0, "$table: all rows have their embeddings");
}
is($node->safe_psql('postgres', 'SELECT * FROM tfm_job_errors'), '', 'no row was set aside');

# Sessions are gone, and with them what they had to do.
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'load'}),
	'no session is left');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tfm_stat_activity WHERE pid <> pg_backend_pid()'),
	0, 'nothing is being computed');
ok( $node->poll_query_until('postgres',
		q{SELECT state = 'ready' AND waiting = 0 AND running = 0 FROM tfm_stat_workers}),
	'the worker is ready and has nothing to do')
  or diag($node->safe_psql('postgres', 'SELECT * FROM tfm_stat_workers'));

# The engine process does not grow with what it has done.
sub engine_memory
{
	my ($sessions) = @_;
	my $script = "SET tfm.executor = 'worker';\n" . single_script() . generate_script() . batch_script();

	$node->safe_psql('postgres', $script) for 1 .. $sessions;
	return $node->safe_psql('postgres',
		q{SELECT substring(pg_read_file('/proc/' || engine_pid || '/status') FROM 'RssAnon:\s+(\d+)') FROM tfm_stat_workers});
}
my $growth = -engine_memory(2) + engine_memory(6);
cmp_ok($growth, '<', GROWTH, "the engine process does not grow: $growth kB");

# The next image removes what killed sessions have left.
$node->safe_psql('postgres', q{SELECT tfm_prune_images('0 seconds')});
unlink images($node);
is($node->safe_psql('postgres', q{SELECT count(tfm_embed('mini', body)) FROM texts}), TEXTS, 'images are made again');
my @files = grep { -f && !/\.tfm$/ } glob($node->data_dir . '/tfm/*');
is("@files", '', 'no other file is left');

# In the log: nothing but what was done on purpose.
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|invalid memory|corrupt|stuck spinlock|AddressSanitizer|runtime error:/, 'a clean log');
unlike($log, qr/was terminated by signal (?!9\b)/, 'nothing crashed by itself');

my $data = $node->data_dir;
$node->stop;
@files = grep { -S || /tmp[^\/]*$/ } glob("$data/tfm/* $data/tfm/.??*");
is("@files", '', 'no socket is left');
my @processes = grep { (readlink($_) // '') eq $data } glob('/proc/[0-9]*/cwd');
is("@processes", '', 'no process is left');
done_testing();

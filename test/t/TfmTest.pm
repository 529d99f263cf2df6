# TfmTest.pm - what the server tests share: servers, checkpoints, errors.
#
# SPDX-License-Identifier: PostgreSQL
package TfmTest;

use strict;
use warnings;

use Exporter 'import';
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(start_node golden copy_checkpoint big_checkpoint change_weights edit_header
  slurp_raw write_raw images temporaries quote_path sql_error is_up incarnation is_restarted wait_for is_gone now background);

# A server with the extension in database postgres.  Options are those of init;
# conf is appended to its configuration.
sub start_node
{
	my ($name, %options) = @_;
	my $conf = delete $options{conf} // '';
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%options);
	$node->append_conf('postgresql.conf', "fsync = off\n$conf");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION tfm');
	return $node;
}

# The directory of a tiny checkpoint.
sub golden
{
	my ($case) = @_;

	die "TFM_GOLDEN is not set\n" unless defined $ENV{TFM_GOLDEN};
	return "$ENV{TFM_GOLDEN}/$case";
}

# A copy of a tiny checkpoint that the test may change.
sub copy_checkpoint
{
	my ($case, $to) = @_;
	my $from = golden($case);

	$to //= PostgreSQL::Test::Utils::tempdir() . '/checkpoint';
	find({
			no_chdir => 1,
			follow => 1,
			wanted => sub {
				my $name = substr($_, length $from);

				-d $_ ? make_path("$to$name") : copy($_, "$to$name") || die "$_: $!";
			}
		},
		$from);
	return $to;
}

# A BERT of about so many megabytes, all zero but for what the tiny one has: its
# intermediate size is larger.
sub big_checkpoint
{
	my ($megabytes) = @_;
	my $to = copy_checkpoint('sentence/mean', PostgreSQL::Test::Utils::tempdir() . '/big');
	my $config = decode_json(slurp_file("$to/config.json"));
	my $old = $config->{intermediate_size};
	my $new = int($megabytes * 1024 * 1024 / 4 / $config->{hidden_size} / 2
		  / $config->{num_hidden_layers});
	my $bytes = slurp_raw("$to/model.safetensors");
	my $length = unpack('Q<', $bytes);
	my $header = decode_json(substr($bytes, 8, $length));
	my ($offset, @pieces) = (0);

	for my $name (sort grep { $_ ne '__metadata__' } keys %$header)
	{
		my $tensor = $header->{$name};
		my ($start, $end) = @{ $tensor->{data_offsets} };
		my $size = 4;

		$_ = $_ == $old ? $new : $_ for @{ $tensor->{shape} };
		$size *= $_ for @{ $tensor->{shape} };
		push @pieces, [ $offset, substr($bytes, 8 + $length + $start, $end - $start) ]
		  if $size == $end - $start;
		$tensor->{data_offsets} = [ $offset, $offset + $size ];
		$offset += $size;
	}
	$config->{intermediate_size} = $new;
	write_raw("$to/config.json", encode_json($config));
	my $json = JSON::PP->new->canonical->encode($header);
	$json .= ' ' x (-length($json) % 8);
	open my $out, '>:raw', "$to/model.safetensors" or die $!;
	print $out pack('Q<', length $json), $json;
	for my $piece (@pieces)
	{
		seek $out, 8 + length($json) + $piece->[0], 0;
		print $out $piece->[1];
	}
	truncate $out, 8 + length($json) + $offset;
	close $out or die $!;
	return $to;
}

sub slurp_raw
{
	my ($path) = @_;

	open my $in, '<:raw', $path or die "$path: $!";
	local $/;
	return <$in>;
}

sub write_raw
{
	my ($path, $bytes) = @_;

	open my $out, '>:raw', $path or die "$path: $!";
	print $out $bytes;
	close $out or die "$path: $!";
}

# Make the checkpoint another one of the same size, by the first number of token 0's embedding.
sub change_weights
{
	my ($directory, $value) = @_;
	my $path = "$directory/model.safetensors";
	my $bytes = slurp_raw($path);
	my $length = unpack('Q<', $bytes);
	my $header = decode_json(substr($bytes, 8, $length));
	my $start = $header->{'embeddings.word_embeddings.weight'}{data_offsets}[0];

	substr($bytes, 8 + $length + $start, 4) = pack('f<', $value // 0.75);
	write_raw($path, $bytes);
}

# Change the header of a checkpoint's safetensors file, a hash; offsets and data stay as they are.
sub edit_header
{
	my ($directory, $edit) = @_;
	my $path = "$directory/model.safetensors";
	my $bytes = slurp_raw($path);
	my $length = unpack('Q<', $bytes);
	my $header = decode_json(substr($bytes, 8, $length));

	$edit->($header);
	my $json = JSON::PP->new->canonical->encode($header);
	write_raw($path, pack('Q<', length $json) . $json . substr($bytes, 8 + $length));
}

# The images in a server's data directory.
sub images
{
	my ($node) = @_;
	my @images = glob($node->data_dir . '/tfm/*.tfm');

	return @images;
}

# Folders and files that are in work, or were left.
sub temporaries
{
	my ($node) = @_;
	my @found = glob($node->data_dir . '/tfm/*.tmp');

	return @found;
}

sub quote_path
{
	my ($path) = @_;

	$path =~ s/'/''/g;
	return "'$path'";
}

# Whether a server takes queries; one that goes down may do so before psql has told it any.
sub is_up
{
	my ($node) = @_;
	my $status = eval { ($node->psql('postgres', 'SELECT 1'))[0] };

	return defined $status && $status == 0;
}

# What changes when the server begins anew after a crash; empty while it is down.
sub incarnation
{
	my ($node) = @_;
	my $out;

	eval { $node->psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'}, stdout => \$out) };
	return $out // '';
}

# Whether the server gets over a crash.  Just after it, it may still answer as if there were none.
sub is_restarted
{
	my ($node, $before) = @_;

	return wait_for(sub { my $now = incarnation($node); $now ne '' && $now ne $before });
}

# SQLSTATE and text of the error that a statement ends in; empty if it does not.
sub sql_error
{
	my ($node, $sql, %options) = @_;
	my $stderr = '';

	$node->psql($options{database} // 'postgres', "\\set VERBOSITY verbose\n$sql",
		stderr => \$stderr, on_error_stop => 0);
	return $stderr =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}): (.*)/s ? ($1, $2) : ('', $stderr);
}

# Wait until a condition holds; false if it does not within some seconds.
sub wait_for
{
	my ($condition, $seconds) = @_;
	my $end = now() + ($seconds // 30);

	while (now() < $end)
	{
		return 1 if $condition->();
		select(undef, undef, undef, 0.001);
	}
	return 0;
}

# Whether a process ends; one whose parent is gone may stay as a zombie where nobody collects it.
sub is_gone
{
	my ($process) = @_;

	return wait_for(sub {
		return 1 unless kill 0, $process;
		return -e "/proc/$process/stat" && slurp_file("/proc/$process/stat") =~ /\) Z /;
	});
}

sub now
{
	require Time::HiRes;
	return Time::HiRes::time();
}

# psql with a script, running in the background; finish it with $h->finish.
sub background
{
	my ($node, $sql) = @_;
	my %state = (out => '', err => '', in => $sql);

	$state{handle} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
		'<', \$state{in}, '>', \$state{out}, '2>', \$state{err});
	return \%state;
}

1;

<#
.SYNOPSIS
    Writes down what a workstation says about its protection, as one JSON object on stdout.
.DESCRIPTION
    Reads only: it changes nothing, writes no file, and sends nothing. What cannot be read is
    null, with the reason under `failures`. Works with Windows PowerShell 5.1 and PowerShell 7.
    Run it as an administrator; without, BitLocker and the audit policy stay unknown.
.PARAMETER SensitivePath
    Folders with models or health data, which Defender must not be told to skip.
.EXAMPLE
    powershell -NoProfile -ExecutionPolicy Bypass -File twinkeep-collect.ps1 -SensitivePath D:\models > facts.json
#>
[CmdletBinding()]
param(
    [string[]] $SensitivePath = @()
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$failures = [ordered]@{}

# PowerShell hands over a list of one as the one, and an empty list as nothing: with -List it is
# handed over as a list, and null is left for what could not be read.
function Get-Safely {
    param([string] $Name, [scriptblock] $Action, [switch] $List)
    try {
        if ($List) { return , @(& $Action) }
        return (& $Action)
    } catch {
        $failures[$Name] = [string] $_.Exception.GetType().Name
        return $null
    }
}

function Get-RegistryFact {
    param([string] $Key, [string] $Name)
    $fact = [ordered]@{ key = $Key; name = $Name; state = 'absent'; number = $null }
    try {
        $path = 'Registry::' + $Key
        if (Test-Path -LiteralPath $path) {
            $item = Get-Item -LiteralPath $path
            if ($item.GetValueNames() -contains $Name) {
                $kind = $item.GetValueKind($Name).ToString()
                if ($kind -eq 'DWord' -or $kind -eq 'QWord') {
                    $fact.state = 'number'
                    $fact.number = [long] $item.GetValue($Name)
                } else {
                    $fact.state = 'other'
                }
            }
        }
    } catch {
        $fact.state = 'unreadable'
    }
    return [pscustomobject] $fact
}

$policies = 'HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft'
$firewallPolicy = $policies + '\WindowsFirewall'
$firewallLocal = 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy'
$defenderPolicy = $policies + '\Windows Defender'

$wanted = @()
foreach ($profileName in @('DomainProfile', 'PrivateProfile', 'PublicProfile')) {
    foreach ($value in @('EnableFirewall', 'DefaultInboundAction')) {
        $wanted += , @(($firewallPolicy + '\' + $profileName), $value)
    }
}
# Windows keeps the private profile under the name of the standard one.
foreach ($profileName in @('DomainProfile', 'StandardProfile', 'PublicProfile')) {
    foreach ($value in @('EnableFirewall', 'DefaultInboundAction')) {
        $wanted += , @(($firewallLocal + '\' + $profileName), $value)
    }
}
foreach ($value in @('DisableRealtimeMonitoring', 'DisableBehaviorMonitoring', 'DisableIOAVProtection', 'DisableScriptScanning')) {
    $wanted += , @(($defenderPolicy + '\Real-Time Protection'), $value)
}
foreach ($value in @('SpynetReporting', 'SubmitSamplesConsent', 'DisableBlockAtFirstSeen')) {
    $wanted += , @(($defenderPolicy + '\Spynet'), $value)
}
$wanted += , @(($defenderPolicy + '\MpEngine'), 'MpCloudBlockLevel')
$wanted += , @($defenderPolicy, 'DisableAntiSpyware')
$wanted += , @('HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System', 'InactivityTimeoutSecs')

$registry = @()
foreach ($pair in $wanted) {
    $registry += Get-RegistryFact -Key $pair[0] -Name $pair[1]
}

$profiles = Get-Safely 'firewall_profiles' -List {
    @(Get-NetFirewallProfile -PolicyStore ActiveStore | ForEach-Object {
        [pscustomobject] [ordered]@{
            name = [string] $_.Name
            enabled = [string] $_.Enabled
            inbound = [string] $_.DefaultInboundAction
        }
    })
}

$rules = Get-Safely 'firewall_rules' -List {
    $ports = @{}
    Get-NetFirewallPortFilter -PolicyStore ActiveStore | ForEach-Object { $ports[$_.InstanceID] = $_ }
    $addresses = @{}
    Get-NetFirewallAddressFilter -PolicyStore ActiveStore | ForEach-Object { $addresses[$_.InstanceID] = $_ }
    $programs = @{}
    Get-NetFirewallApplicationFilter -PolicyStore ActiveStore | ForEach-Object { $programs[$_.InstanceID] = $_ }
    @(Get-NetFirewallRule -PolicyStore ActiveStore |
        Where-Object { [string] $_.Direction -eq 'Inbound' -and [string] $_.Enabled -eq 'True' } |
        ForEach-Object {
            $port = $ports[$_.InstanceID]
            $address = $addresses[$_.InstanceID]
            $program = $programs[$_.InstanceID]
            $localPorts = $null
            if ($null -ne $port) { $localPorts = @($port.LocalPort | ForEach-Object { [string] $_ }) }
            $remoteAddresses = $null
            if ($null -ne $address) { $remoteAddresses = @($address.RemoteAddress | ForEach-Object { [string] $_ }) }
            [pscustomobject] [ordered]@{
                name = [string] $_.Name
                action = [string] $_.Action
                protocol = if ($null -ne $port) { [string] $port.Protocol } else { $null }
                local_ports = $localPorts
                remote_addresses = $remoteAddresses
                program = if ($null -ne $program) { [string] $program.Program } else { $null }
            }
        })
}

$listeners = Get-Safely 'listeners' -List {
    @(Get-NetTCPConnection -State Listen | ForEach-Object {
        [pscustomobject] [ordered]@{ address = [string] $_.LocalAddress; port = [int] $_.LocalPort }
    })
}

$defender = Get-Safely 'defender' {
    $status = Get-MpComputerStatus
    $preference = Get-MpPreference
    [pscustomobject] [ordered]@{
        real_time = [bool] $status.RealTimeProtectionEnabled
        behavior = [bool] $status.BehaviorMonitorEnabled
        downloads = [bool] $status.IoavProtectionEnabled
        scripts = -not [bool] $preference.DisableScriptScanning
        tamper_protected = [bool] $status.IsTamperProtected
        signature_age_days = [int] $status.AntivirusSignatureAge
        maps = [int] $preference.MAPSReporting
        samples = [int] $preference.SubmitSamplesConsent
        cloud_block_level = [int] $preference.CloudBlockLevel
        block_at_first_seen = -not [bool] $preference.DisableBlockAtFirstSeen
        excluded_paths = @($preference.ExclusionPath | Where-Object { $_ } | ForEach-Object { [string] $_ })
        excluded_extensions = @($preference.ExclusionExtension | Where-Object { $_ } | ForEach-Object { [string] $_ })
        excluded_processes = @($preference.ExclusionProcess | Where-Object { $_ } | ForEach-Object { [string] $_ })
    }
}

$volumes = Get-Safely 'volumes' -List {
    @(Get-BitLockerVolume | ForEach-Object {
        [pscustomobject] [ordered]@{
            mount = [string] $_.MountPoint
            kind = [string] $_.VolumeType
            protection = [string] $_.ProtectionStatus
            status = [string] $_.VolumeStatus
            percentage = [int] $_.EncryptionPercentage
        }
    })
}

$services = Get-Safely 'services' -List {
    @(Get-Service -Name 'EventLog', 'mpssvc', 'WinDefend' -ErrorAction SilentlyContinue | ForEach-Object {
        [pscustomobject] [ordered]@{ name = [string] $_.Name; status = [string] $_.Status }
    })
}

$audit = Get-Safely 'audit_policy' -List {
    $text = & auditpol.exe /get /category:* /r
    if ($LASTEXITCODE -ne 0) { throw 'auditpol' }
    @($text | Where-Object { $_ } | ConvertFrom-Csv | ForEach-Object {
        $columns = @($_.PSObject.Properties | ForEach-Object { [string] $_.Value })
        [pscustomobject] [ordered]@{ subcategory = $columns[3]; setting = $columns[4] }
    })
}

$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object Security.Principal.WindowsPrincipal $identity

$facts = [ordered]@{
    format = 'twinkeep-windows/1'
    computer = [string] $env:COMPUTERNAME
    elevated = [bool] $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
    sensitive_paths = @($SensitivePath)
    registry = @($registry)
    firewall_profiles = $null
    firewall_rules = $null
    listeners = $null
    defender = $defender
    volumes = $null
    services = $null
    audit_policy = $null
    failures = $failures
}
# A list that went through a function is wrapped, and Windows PowerShell would write the wrapping.
if ($null -ne $profiles) { $facts.firewall_profiles = @($profiles) }
if ($null -ne $rules) { $facts.firewall_rules = @($rules) }
if ($null -ne $listeners) { $facts.listeners = @($listeners) }
if ($null -ne $volumes) { $facts.volumes = @($volumes) }
if ($null -ne $services) { $facts.services = @($services) }
if ($null -ne $audit) { $facts.audit_policy = @($audit) }
ConvertTo-Json -InputObject $facts -Depth 6 -Compress
